//! Repositories behind servers that ask who is there: certificates of clients, and authorities that
//! nobody else knows.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use ctr_forge_tests::rpm::Repository;
use ctr_forge_tests::{Need, Test};

use crate::dnf::{World, hello};

const NEEDS: &[Need] = &[
    Need::Tool("rpmbuild"),
    Need::Tool("rpmsign"),
    Need::Tool("createrepo_c"),
    Need::Tool("gpg"),
    Need::Tool("busybox"),
    Need::Tool("openssl"),
    Need::Tool("python3"),
];

pub(crate) const TESTS: &[Test] =
    &[Test { name: "dnf_certificates::of_clients", needs: NEEDS, run: of_clients }];

/// An authority, a server and a client that it vouches for.
const MAKE: &str = "\
    new='openssl req -newkey rsa:2048 -nodes -days 2'; \
    $new -x509 -subj /CN=authority -keyout ca.pem -out ca.crt 2> /dev/null; \
    echo subjectAltName=IP:127.0.0.1 > ext; \
    for who in server client; do \
        $new -subj /CN=$who -keyout $who.pem -out $who.csr 2> /dev/null; \
        openssl x509 -req -in $who.csr -CA ca.crt -CAkey ca.pem -CAcreateserial -out $who.crt -days 2 \
            -extfile ext 2> /dev/null; \
    done; \
    cat client.crt client.pem > both.pem";

/// Serves the repository to those whom the authority vouches for, and says on which port.
const SERVE: &str = "
import functools, http.server, ssl
handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory='repo')
server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('server.crt', 'server.pem')
context.load_verify_locations('ca.crt')
context.verify_mode = ssl.CERT_REQUIRED
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
";

/// A server that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn of_clients() {
    let world = World::new(&Repository::new([hello()]));
    world.forge.sh(MAKE);
    let mut command = world.forge.prepare("python3", ["-c", SERVE]);
    let mut server = Running(command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap());
    let mut port = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut port).unwrap();
    let url = format!("https://127.0.0.1:{}/", port.trim());
    let place = |name: &str| world.place(name);
    let file = |more: &[(&str, &str)]| {
        let lines: String = more.iter().map(|(key, name)| format!("{key}={}\n", place(name))).collect();
        let text = format!("[site]\nname=Site\nbaseurl={url}\ngpgkey=file://{}\n{lines}", place("key.asc"));
        world.forge.write("site.repo", text);
        World::bare(&["hello", "--repo-file", "site.repo", "-o", "rootfs.tar"])
    };
    let authority = ("sslcacert", "ca.crt");
    let (certificate, key) = (("sslclientcert", "client.crt"), ("sslclientkey", "client.pem"));
    world.forge.ok(file(&[authority, certificate, key]));
    assert_eq!(world.installed(), ["hello-1.0-1"]);
    world.forge.ok(file(&[authority, ("sslclientcert", "both.pem")]));
    // The key is there, too, and had in the same way.
    world.forge.sh("cp key.asc repo");
    file(&[authority, certificate, key]);
    let text = String::from_utf8(world.forge.read("site.repo")).unwrap();
    world
        .forge
        .write("site.repo", text.replace(&format!("file://{}", place("key.asc")), &format!("{url}key.asc")));
    world.forge.sh("rm -r cache");
    world.forge.ok(["source", "dnf", "hello", "--repo-file", "site.repo", "-o", "rootfs.tar"]);
    // Nobody vouches for the server, or for us.
    world.forge.fails(8, file(&[certificate, key])).says(&["cannot use site", "certificate"]);
    world.forge.fails(8, file(&[authority])).says(&["cannot use site"]);
    let broken = file(&[authority, ("sslclientcert", "ca.pem"), key]);
    world.forge.fails(2, broken).says(&["the client certificate for it cannot be read"]);
    world.forge.fails(5, file(&[("sslcacert", "nothing.crt")])).says(&["nothing.crt", "site"]);
}
