//! Images into registries: a real one, with and without passwords and TLS, and in trouble.

use ctr_forge_tests::archive::{Member, archive};
use ctr_forge_tests::registry::{Registry, Trouble, Troubled};
use ctr_forge_tests::{Forge, Need, Test};

use crate::debian_trust::noise;

const REGISTRY: &[Need] = &[Need::Tool("docker-registry"), Need::Tool("skopeo")];
const TLS: &[Need] =
    &[Need::Tool("docker-registry"), Need::Tool("skopeo"), Need::Tool("htpasswd"), Need::Tool("openssl")];
const TOKEN: &[Need] = &[Need::Tool("docker-registry"), Need::Tool("openssl"), Need::Tool("python3")];

pub(crate) const TESTS: &[Test] = &[
    Test { name: "registries::what_is_pushed_arrives", needs: REGISTRY, run: what_is_pushed_arrives },
    Test { name: "registries::what_is_there_is_not_sent", needs: REGISTRY, run: what_is_there_is_not_sent },
    Test {
        name: "registries::several_architectures_are_an_index",
        needs: REGISTRY,
        run: several_architectures,
    },
    Test { name: "registries::output_pushes", needs: REGISTRY, run: output_pushes },
    Test { name: "registries::passwords_and_tls", needs: TLS, run: passwords_and_tls },
    Test { name: "registries::tokens", needs: TOKEN, run: tokens },
    Test { name: "registries::trouble_on_the_way", needs: REGISTRY, run: trouble_on_the_way },
    Test { name: "registries::a_base_is_used_as_it_is", needs: REGISTRY, run: a_base_is_used_as_it_is },
    Test { name: "registries::what_is_pulled_is_checked", needs: REGISTRY, run: what_is_pulled_is_checked },
    Test { name: "registries::what_cannot_be_pushed", needs: &[], run: what_cannot_be_pushed },
];

/// An image with a small and a large layer, in `image`.
fn forge() -> Forge {
    let forge = Forge::new().env("REGISTRY_AUTH_FILE", "auth.json");
    forge.write("small.tar", archive(&[Member::file("etc/x", "small")]));
    forge.write("large.tar", archive(&[Member::file("large", noise(2 << 20))]));
    forge.ok(["output", "oci", "small.tar", "large.tar", "-o", "image", "--tag", "app:1"]);
    forge
}

fn what_is_pushed_arrives() {
    let forge = forge();
    let registry = Registry::new(forge.directory(), "", "");
    let target = format!("{}/team/app:1.2", registry.address);
    let printed = forge.ok(["push", "image:1", &target]).stdout();
    let (name, digest) = printed.trim().split_once('@').unwrap();
    assert_eq!(name, format!("{}/team/app", registry.address));
    let script = format!("skopeo copy -q --src-tls-verify=false docker://{target} oci:back:1");
    forge.sh(&script);
    for image in ["image", "back"] {
        let inspected = forge.ok(["--json", "inspect", image]).stdout();
        assert!(inspected.contains(digest), "{inspected}");
    }
    // One of docker's gets a manifest, and has the same files.
    forge.ok(["output", "docker", "small.tar", "-o", "docker.tar", "--tag", "app:1"]);
    let target = format!("{}/docker", registry.address);
    forge.ok(["push", "docker.tar", &target]);
    forge.sh(&format!("skopeo copy -q --src-tls-verify=false docker://{target} oci:docker:1"));
    let tree = |image: &str| forge.ok(["inspect", "--tree-digest", image]).stdout();
    assert_eq!(tree("docker"), tree("docker.tar"));
    // Larger than a piece of an upload.
    forge.sh("head -c 70000000 /dev/zero > zeros; mkdir rootfs; mv zeros rootfs");
    forge.ok(["output", "oci", "rootfs", "-o", "big", "--compression", "none"]);
    let target = format!("{}/big", registry.address);
    forge.ok(["push", "big", &target]);
    forge.sh(&format!("skopeo copy -q --src-tls-verify=false docker://{target} oci:big-back:1"));
    assert_eq!(tree("big-back"), tree("big"));
}

fn what_is_there_is_not_sent() {
    let forge = forge();
    let registry = Registry::new(forge.directory(), "", "");
    let push = |tag: &str| {
        let target = format!("{}/app:{tag}", registry.address);
        let report = forge.ok(["--json", "push", "image", &target]).stdout;
        serde_json::from_slice::<serde_json::Value>(&report).unwrap()["bytes"].as_u64().unwrap()
    };
    assert!(push("1") > 2 << 20);
    assert_eq!((push("1"), push("2")), (0, 0));
}

fn several_architectures() {
    let forge = forge();
    let registry = Registry::new(forge.directory(), "", "");
    for arch in ["amd64", "arm64", "arm/v7"] {
        let tag = format!("app:{}", arch.replace('/', ""));
        forge.ok(["output", "oci", "small.tar", "-o", "many", "--tag", &tag, "--arch", arch]);
    }
    let target = format!("{}/many:1", registry.address);
    forge.ok(["push", "many", &target]);
    let index = forge.sh(&format!("skopeo inspect --raw --tls-verify=false docker://{target}")).stdout();
    for word in ["image.index.v1", "\"arm64\"", "\"v7\"", "\"amd64\""] {
        assert!(index.contains(word), "{index}");
    }
    let copy = "skopeo --override-arch arm64 copy -q --src-tls-verify=false";
    forge.sh(&format!("{copy} docker://{target} oci:arm:1; skopeo inspect oci:arm:1 | grep -q arm64"));
    forge.ok(["push", "many", &format!("{}/one:1", registry.address), "--arch", "arm64"]);
    // One that is incomplete does not keep another from being pushed.
    forge.sh("cp -r many partial; d=$(skopeo inspect --raw oci:many:arm64 | sha256sum | cut -d' ' -f1); rm partial/blobs/sha256/$d");
    forge.ok(["push", "partial:amd64", &format!("{}/partial:1", registry.address), "--arch", "amd64"]);
    // Twice the same platform is no index.
    forge.ok([
        "output",
        "oci",
        "small.tar",
        "-o",
        "many",
        "--tag",
        "app:again",
        "--arch",
        "arm64",
        "--env",
        "A=1",
    ]);
    forge.fails(2, ["push", "many", &target]).says(&["several images for the same platform", "many:NAME"]);
}

fn output_pushes() {
    let forge = forge();
    let registry = Registry::new(forge.directory(), "", "");
    let target = format!("{}/made:1", registry.address);
    forge.ok(["output", "oci", "small.tar", "--push", &target, "--entrypoint", "/x"]);
    forge.sh(&format!("skopeo inspect --config --tls-verify=false docker://{target} | grep -q '/x'"));
    // Beside others in a layout it is the one that was made.
    forge.ok(["output", "oci", "small.tar", "-o", "image", "--tag", "app:new", "--push", &target]);
    let made = forge.ok(["--json", "inspect", "image:new"]).stdout();
    let digest = forge
        .sh(&format!("skopeo inspect --tls-verify=false -f '{{{{.Digest}}}}' docker://{target}"))
        .stdout();
    assert!(made.contains(digest.trim()), "{digest} {made}");
    forge.ok(["output", "docker", "small.tar", "--push", &target, "--tag", "x:1"]);
    forge
        .fails(2, ["output", "docker", "small.tar", "-o", "-", "--push", &target])
        .says(&["standard output"]);
    forge.fails(2, ["output", "oci", "small.tar"]).says(&["--output"]);
}

fn passwords_and_tls() {
    let forge = forge().env("SSL_CERT_FILE", "ca.crt");
    forge.sh(
        "new='openssl req -newkey rsa:2048 -nodes -days 2'; \
         $new -x509 -keyout ca.pem -out ca.crt -subj /CN=ca 2> /dev/null; \
         $new -keyout key.pem -out r.csr -subj /CN=registry 2> /dev/null; \
         printf subjectAltName=IP:127.0.0.1 > ext; \
         openssl x509 -req -in r.csr -CA ca.crt -CAkey ca.pem -CAcreateserial -out r.crt -days 2 -extfile ext 2> /dev/null; \
         htpasswd -Bbn ann secret > passwords",
    );
    let place = |name: &str| forge.path(name).display().to_string();
    let auth = format!("auth: {{htpasswd: {{realm: test, path: {}}}}}", place("passwords"));
    let tls = format!("  tls: {{certificate: {}, key: {}}}", place("r.crt"), place("key.pem"));
    let registry = Registry::new(forge.directory(), &auth, &tls);
    let target = format!("{}/team/app:1", registry.address);
    let log_in = |password: &str| {
        // As podman login and docker login note it.
        let script = format!(
            "printf '{{\"auths\":{{\"{}\":{{\"auth\":\"%s\"}}}}}}' $(printf 'ann:{password}' | base64) > auth.json",
            registry.address
        );
        forge.sh(&script);
    };
    forge.fails(6, ["push", "image", &target]).says(&["lets in nobody without a name", "podman login"]);
    log_in("wrong");
    let output = forge.fails(6, ["push", "image", &target]).says(&["does not let \"ann\" do that"]);
    assert!(!output.stderr.contains("wrong"), "{}", output.stderr);
    log_in("secret");
    forge.ok(["push", "image", &target]);
    forge.sh(&format!(
        "mkdir certs; cp ca.crt certs/ca.crt; skopeo inspect --cert-dir certs --authfile auth.json docker://{target} > /dev/null"
    ));
    // Somebody else's certificate.
    let stranger = Forge::new();
    stranger.sh(
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout k -out ca.crt -days 2 -subj /CN=x 2> /dev/null",
    );
    forge.sh(&format!("cp {} ca.crt", stranger.path("ca.crt").display()));
    forge.fails(8, ["push", "image", &target]).says(&["certificate"]);
    // A helper that knows the password.
    forge.sh("mkdir bin; cp certs/ca.crt ca.crt");
    let helper =
        "#!/bin/sh\nread registry\n[ \"$1\" = get ] && echo '{\"Username\":\"ann\",\"Secret\":\"secret\"}'\n";
    forge.write("bin/docker-credential-test", helper);
    forge.sh("chmod 755 bin/*");
    forge.write("auth.json", format!("{{\"credHelpers\":{{\"{}\":\"test\"}}}}", registry.address));
    forge.sh(&format!("PATH=$PWD/bin:$PATH $FORGE push image {target}"));
}

/// The issuer of tokens that distribution describes, as small as it can be.
const ISSUER: &str = r#"
import base64, http.server, json, os, subprocess, sys, time, urllib.parse
b64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
der = subprocess.run("openssl x509 -in issuer.crt -outform DER", shell=True, capture_output=True).stdout
class Issuer(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        form = urllib.parse.parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        good = form.get("refresh_token") == ["identity"] and form.get("grant_type") == ["refresh_token"]
        if not good or form.get("service") != ["service"] or "client_id" not in form:
            self.send_response(401); self.end_headers(); return
        self.give([scope for words in form["scope"] for scope in words.split(" ")])
    def do_GET(self):
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(self.path).query)
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"ann:secret").decode():
            self.send_response(401); self.end_headers(); return
        self.give(query.get("scope", []))
    def give(self, scopes):
        access = []
        for scope in scopes:
            kind, name, actions = scope.rsplit(":", 2)
            access.append({"type": kind, "name": name, "actions": actions.split(",")})
        now = int(time.time())
        # The registry is lenient by a minute.
        expires = now - 58 if os.path.exists("short") else now + 60
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        body = {"iss": "issuer", "sub": "ann", "aud": "service", "exp": expires, "nbf": now - 10,
                "iat": now, "jti": str(time.time()), "access": access}
        text = b64(json.dumps(head).encode()) + "." + b64(json.dumps(body).encode())
        sign = ["openssl", "dgst", "-sha256", "-sign", "issuer.key"]
        signature = subprocess.run(sign, input=text.encode(), capture_output=True).stdout
        answer = json.dumps({"token": text + "." + b64(signature)}).encode()
        open("asked", "a").write(self.path + "\n")
        self.send_response(200); self.send_header("Content-Length", str(len(answer))); self.end_headers()
        self.wfile.write(answer)
    def log_message(self, *words): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Issuer)
print(server.server_port, flush=True)
server.serve_forever()
"#;

/// A program that is ended with the test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn tokens() {
    use std::io::BufRead;
    let forge = forge();
    forge.sh("openssl req -x509 -newkey rsa:2048 -nodes -keyout issuer.key -out issuer.crt -days 2 -subj /CN=issuer 2> /dev/null");
    let mut command = std::process::Command::new("python3");
    command.args(["-c", ISSUER]).current_dir(forge.directory()).stdout(std::process::Stdio::piped());
    let mut issuer = Ended(command.spawn().unwrap());
    let mut port = String::new();
    std::io::BufReader::new(issuer.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let auth = format!(
        "auth: {{token: {{realm: \"http://127.0.0.1:{}/token\", service: service, issuer: issuer, rootcertbundle: {}}}}}",
        port.trim(),
        forge.path("issuer.crt").display()
    );
    let registry = Registry::new(forge.directory(), &auth, "");
    let target = format!("{}/team/app:1", registry.address);
    forge.fails(6, ["push", "image", &target]).says(&["podman login"]);
    forge.sh(&format!(
        "printf '{{\"auths\":{{\"{}/team\":{{\"auth\":\"%s\"}}}}}}' $(printf ann:secret | base64) > auth.json",
        registry.address
    ));
    forge.ok(["push", "image", &target]);
    let asked = String::from_utf8(forge.read("asked")).unwrap();
    assert!(asked.contains("scope=repository%3Ateam%2Fapp%3Apull%2Cpush"), "{asked}");
    // It lasts: not every request asks for a new one.
    assert!(asked.lines().count() < 8, "{asked}");
    // One that expires while a blob is on its way is renewed, and the upload goes on.
    let slow = Troubled::before(&registry.address, Trouble::Slow { bytes: 15_000_000 });
    forge.sh(&format!("sed -i 's/{}/{}/' auth.json; rm asked; touch short", registry.address, slow.address));
    forge.sh("head -c 70000000 /dev/urandom > noise; mkdir rootfs; mv noise rootfs");
    forge.ok(["output", "oci", "rootfs", "-o", "big", "--compression", "none"]);
    forge.ok(["push", "big", &format!("{}/team/big:1", slow.address)]);
    let renewed = String::from_utf8(forge.read("asked")).unwrap().lines().count();
    assert!(renewed >= 3, "{renewed}");
    // A token that stands for a login, as docker login notes it at some registries.
    forge.sh("rm short asked");
    forge.write(
        "auth.json",
        format!("{{\"auths\":{{\"{}\":{{\"identitytoken\":\"identity\"}}}}}}", registry.address),
    );
    forge.ok(["push", "image", &format!("{}/team/identity:1", registry.address)]);
    // What another repository has is taken over, where one may read there.
    let report = |words: &[&str]| {
        let report = forge.ok(["--json"].iter().chain(words)).stdout;
        serde_json::from_slice::<serde_json::Value>(&report).unwrap()["bytes"].as_u64().unwrap()
    };
    let mounted = format!("{}/team/mounted:1", registry.address);
    assert_eq!(report(&["push", "image", &mounted, "--mount-from", "team/app"]), 0);
    let upon = ["output", "oci", "small.tar", "--base", &target, "--push"];
    let other = format!("{}/team/upon:1", registry.address);
    assert!(report(&[&upon[..], &[&other]].concat()) < 100_000, "the large layer is of the base");
    forge.fails(2, ["push", "image", &mounted, "--mount-from", "team/mounted"]).says(&["another repository"]);
    forge.write(
        "auth.json",
        format!("{{\"auths\":{{\"{}\":{{\"identitytoken\":\"x\"}}}}}}", registry.address),
    );
    forge.fails(6, ["push", "image", &target]).says(&["podman login"]);
}

fn trouble_on_the_way() {
    let forge = forge();
    let registry = Registry::new(forge.directory(), "", "");
    forge.sh("head -c 70000000 /dev/urandom > noise; mkdir rootfs; mv noise rootfs");
    forge.ok(["output", "oci", "rootfs", "-o", "big", "--compression", "none"]);
    let tree = forge.ok(["inspect", "--tree-digest", "big"]).stdout();
    for (name, trouble) in [
        ("cut", Trouble::Cut { connections: 2, after: 20_000_000 }),
        ("busy", Trouble::Status { connections: 3, status: 503 }),
    ] {
        let troubled = Troubled::before(&registry.address, trouble);
        forge.ok(["push", "big", &format!("{}/{name}:1", troubled.address)]);
        assert!(troubled.met() >= 2, "{}", troubled.met());
        let from = format!("docker://{}/{name}:1", registry.address);
        forge.sh(&format!("rm -rf back; skopeo copy -q --src-tls-verify=false {from} oci:back:1"));
        assert_eq!(forge.ok(["inspect", "--tree-digest", "back"]).stdout(), tree);
    }
    // What never gets better is an error, and no tag appears.
    let troubled = Troubled::before(&registry.address, Trouble::Status { connections: 1_000, status: 502 });
    forge.fails(8, ["push", "image", &format!("{}/never:1", troubled.address)]).says(&["502"]);
    let inspect = format!("skopeo inspect --tls-verify=false docker://{}/never:1", registry.address);
    assert_ne!(forge.sh_any(&inspect).code, 0);
}

fn what_cannot_be_pushed() {
    let forge = forge();
    forge.ok(["output", "aci", "small.tar", "-o", "x.aci", "--name", "x"]);
    forge
        .fails(11, ["push", "x.aci", "127.0.0.1:9/x"])
        .says(&["no App Container Images", "ctr-forge squash"]);
    forge.fails(8, ["push", "image", "127.0.0.1:9/x"]).says(&["cannot reach the registry 127.0.0.1:9"]);
    forge.fails(2, ["push", "image", "127.0.0.1:9/Upper"]).says(&["names no image in a registry"]);
    forge.fails(8, ["push", "image", "127.0.0.1:9/x", "--offline"]).says(&["not to be used"]);
    let digest = format!("127.0.0.1:9/x@sha256:{}", "a".repeat(64));
    forge.fails(2, ["push", "image", &digest]).says(&["pushed to a tag"]);
    forge.fails(4, ["push", "small.tar", "127.0.0.1:9/x"]).says(&["is no image"]);
    forge.fails(13, ["push", "image:2", "127.0.0.1:9/x"]).says(&["no image called \"2\""]);
    forge.write("auth.json", "{");
    let output = forge.run(["push", "image", "127.0.0.1:9/x"]);
    assert_eq!(output.code, 8, "a login is looked up when it is asked for");
}

/// An image upon another: its layers as they are, its configuration where nothing else is said.
fn a_base_is_used_as_it_is() {
    let forge = forge();
    let registry = Registry::new(forge.directory(), "", "");
    forge.write("own.tar", archive(&[Member::file("etc/x", "own"), Member::file("own", "1")]));
    for arch in ["amd64", "arm64"] {
        let words = ["output", "oci", "small.tar", "large.tar", "-o", "base", "--tag"];
        let tag = format!("base:{arch}");
        let more =
            [&tag, "--arch", arch, "--entrypoint", "/base", "--env", "A=1", "--env", "B=1", "--user", "7"];
        forge.ok(words.iter().chain(&more));
    }
    let target = format!("{}/base:1", registry.address);
    forge.ok(["push", "base", &target]);
    forge
        .ok(["squash", "base", "--arch", "arm64", "--format", "docker", "-o", "base.tar", "--tag", "base:1"]);
    let report = |image: &str| -> serde_json::Value {
        serde_json::from_slice::<serde_json::Value>(&forge.ok(["--json", "inspect", image]).stdout).unwrap()
            [0]
        .take()
    };
    let base = report("base:arm64");
    let mut trees = Vec::new();
    for (index, from) in ["base:arm64", &target, "base.tar"].into_iter().enumerate() {
        let image = format!("image-{index}");
        let words = ["output", "oci", "own.tar", "-o", &image, "--base", from, "--arch", "arm64"];
        forge.ok(words.iter().chain(&["--tag", "own:1", "--env", "B=2", "--cmd", "[\"x\"]"]));
        let made = report(&image);
        let layers = made["layers"].as_array().unwrap();
        if index < 2 {
            assert_eq!(layers.len(), 3);
            assert_eq!(layers[..2], base["layers"].as_array().unwrap()[..], "as they are");
        }
        assert_eq!(made["arch"], "arm64");
        let run = &made["config"]["config"];
        assert_eq!(run["Env"], serde_json::json!(["A=1", "B=2"]));
        assert_eq!(
            (&run["Entrypoint"], &run["Cmd"]),
            (&serde_json::json!(["/base"]), &serde_json::json!(["x"]))
        );
        assert_eq!(run["User"], "7");
        forge.sh(&format!("skopeo copy -q oci:{image}:1 dir:copy-{index}"));
        trees.push(forge.ok(["inspect", "--tree-digest", &image]).stdout());
    }
    assert!(trees.iter().all(|tree| *tree == trees[0]));
    // docker's too, and in a layout beside its base.
    forge.ok(["output", "docker", "own.tar", "-o", "own-image.tar", "--base", "base.tar", "--tag", "own:1"]);
    forge.ok(["output", "oci", "own.tar", "-o", "base", "--base", "base:amd64", "--tag", "own:1"]);
    let say = |code: i32, words: &[&str], says: &str| {
        let output = ["output", words[0], "own.tar", "-o", "no"];
        forge.fails(code, output.iter().chain(&words[1..])).says(&[says]);
        assert!(!forge.path("no").exists());
    };
    say(11, &["aci", "--name", "x", "--base", "base.tar"], "ctr-forge squash BASE");
    for nothing in ["Nothing/here", "basee", "./base/tar", "library/alpine"] {
        say(13, &["oci", "--base", nothing], "neither there nor in a registry");
    }
    say(13, &["oci", "--base", &target, "--arch", "s390x"], "It has: amd64, arm64");
    say(13, &["oci", "--base", &format!("{}/missing:1", registry.address)], "does not have");
    say(2, &["oci", "--base", "base"], "has several images");
    forge.ok(["output", "oci", "small.tar", "-o", "zstd", "--compression", "zstd"]);
    say(11, &["docker", "--base", "zstd"], "It takes layers in the forms gzip, none");
}

/// A registry that gives other bytes than those that were asked for.
fn what_is_pulled_is_checked() {
    let forge = forge();
    let registry = Registry::new(forge.directory(), "", "");
    let target = format!("{}/app:1", registry.address);
    forge.ok(["push", "image", &target]);
    let largest = "f=$(find registry-*/docker -name data -size +1M | head -1)";
    forge.sh(&format!("{largest}; printf X | dd of=$f bs=1 seek=1000 conv=notrunc 2> /dev/null"));
    let words = ["output", "oci", "small.tar", "-o", "no", "--base", &target];
    forge.fails(9, words).says(&["the registry gave something else"]);
    forge.sh(&format!("{largest}; truncate -s 1000000 $f"));
    assert_ne!(forge.run(words).code, 0);
    assert!(!forge.path("no").exists());
}
