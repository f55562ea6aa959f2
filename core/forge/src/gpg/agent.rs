//! Signatures by gpg-agent of a digest alone (gnupg's manual, "Agent's Assuan Protocol"): what
//! those check who know nothing of OpenPGP.

use std::io::Write;
use std::process::{Command, Stdio};

use ctr_forge_plugin::{Error, ErrorKind, Result};
use ctr_forge_rootfs::Digest;
use p256::pkcs8::EncodePublicKey;
use rsa::BigUint;
use rsa::sha2::Sha256;

use super::sexp::Sexp;
use super::{check_name, command, missing};
use crate::Forge;

/// A key of gpg-agent's.
#[derive(Debug)]
pub(crate) struct Agent<'a> {
    forge: &'a Forge,
    /// By which the agent knows the key.
    keygrip: String,
    /// Its public half.
    pub(crate) public: PublicKey,
}

/// A key that checks signatures of a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// ECDSA on the curve P-256; signatures are DER (RFC 3279, section 2.2.3).
    Ecdsa(p256::PublicKey),
    /// RSA; signatures are PKCS #1 v1.5 (RFC 8017, section 8.2).
    Rsa(rsa::RsaPublicKey),
}

impl<'a> Agent<'a> {
    /// The key that gpg calls `key`.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot sign without OpenPGP.
    pub(crate) fn new(forge: &'a Forge, key: &str) -> Result<Self> {
        let keygrip = keygrip(forge, key)?;
        let answer = ask(forge, &[format!("READKEY {keygrip}")])?;
        let public = Sexp::parse(&answer).and_then(|sexp| public_key(&sexp)).ok_or_else(|| {
            let message = format!("the key \"{}\" is neither of RSA nor of NIST P-256", key.escape_debug());
            Error::new(ErrorKind::Unsupported, message)
                .hint("Make one: gpg --quick-generate-key you@example.com nistp256 sign")
                .option("sign-key")
        })?;
        Ok(Self { forge, keygrip, public })
    }

    /// Signs what has this SHA-256.
    ///
    /// # Errors
    ///
    /// If the agent does not, as where the user does not give the passphrase.
    pub(crate) fn sign(&self, digest: &Digest) -> Result<Vec<u8>> {
        let words = [
            format!("SIGKEY {}", self.keygrip),
            format!("SETHASH --hash=sha256 {}", digest.hex().to_ascii_uppercase()),
            "PKSIGN".to_owned(),
        ];
        let answer = ask(self.forge, &words)?;
        let signature = Sexp::parse(&answer).and_then(|sexp| signature(&sexp));
        let signature = signature.ok_or_else(|| unexpected("a signature that cannot be read"))?;
        // A key whose halves do not fit, or an agent of another mind, is to be found now.
        match self.public.verifies(digest, &signature) {
            true => Ok(signature),
            false => Err(unexpected("a signature that is not of the key")),
        }
    }
}

impl PublicKey {
    /// Reads PEM, `BEGIN PUBLIC KEY` (RFC 7468, section 13).
    pub(crate) fn from_pem(text: &str) -> Option<Self> {
        use p256::pkcs8::DecodePublicKey;
        let ecdsa = p256::PublicKey::from_public_key_pem(text).map(Self::Ecdsa);
        ecdsa.or_else(|_| rsa::RsaPublicKey::from_public_key_pem(text).map(Self::Rsa)).ok()
    }

    /// The same text again.
    pub(crate) fn to_pem(&self) -> Result<String> {
        let pem = match self {
            Self::Ecdsa(key) => key.to_public_key_pem(Default::default()),
            Self::Rsa(key) => key.to_public_key_pem(Default::default()),
        };
        pem.map_err(|e| Error::new(ErrorKind::Internal, "cannot write a public key").because(&e))
    }

    /// Whether this key has signed what has this SHA-256.
    pub(crate) fn verifies(&self, digest: &Digest, signature: &[u8]) -> bool {
        use p256::ecdsa::signature::hazmat::PrehashVerifier;
        match self {
            Self::Ecdsa(key) => p256::ecdsa::Signature::from_der(signature).is_ok_and(|signature| {
                p256::ecdsa::VerifyingKey::from(key).verify_prehash(digest.as_bytes(), &signature).is_ok()
            }),
            Self::Rsa(key) => {
                key.verify(rsa::Pkcs1v15Sign::new::<Sha256>(), digest.as_bytes(), signature).is_ok()
            }
        }
    }
}

fn public_key(sexp: &Sexp) -> Option<PublicKey> {
    if let Some(rsa) = sexp.find("rsa") {
        let (n, e) = (BigUint::from_bytes_be(rsa.value("n")?), BigUint::from_bytes_be(rsa.value("e")?));
        return rsa::RsaPublicKey::new(n, e).ok().map(PublicKey::Rsa);
    }
    let ecc = sexp.find("ecc")?;
    if ecc.value("curve")? != b"NIST P-256" {
        return None;
    }
    p256::PublicKey::from_sec1_bytes(ecc.value("q")?).ok().map(PublicKey::Ecdsa)
}

fn signature(sexp: &Sexp) -> Option<Vec<u8>> {
    if let Some(rsa) = sexp.find("rsa") {
        return rsa.value("s").map(<[u8]>::to_vec);
    }
    let ecdsa = sexp.find("ecdsa")?;
    let scalar = |name| -> Option<p256::FieldBytes> {
        // The agent leaves out zeros, or writes one more.
        let value = ecdsa.value(name)?;
        let value = value.strip_prefix(&[0]).filter(|rest| rest.len() == 32).unwrap_or(value);
        let mut bytes = p256::FieldBytes::default();
        bytes.get_mut(32_usize.checked_sub(value.len())?..)?.copy_from_slice(value);
        Some(bytes)
    };
    let signature = p256::ecdsa::Signature::from_scalars(scalar("r")?, scalar("s")?).ok()?;
    Some(signature.to_der().as_bytes().to_vec())
}

/// By what the agent knows a key: that of the primary key, or of the first that signs.
fn keygrip(forge: &Forge, key: &str) -> Result<String> {
    check_name(key)?;
    let mut gpg = command(forge);
    gpg.args(["--batch", "--no-tty", "--with-colons", "--with-keygrip", "--list-secret-keys", "--", key]);
    let output = gpg.output().map_err(missing)?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut signs = false;
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        match fields[0] {
            // doc/DETAILS of gnupg, "Field 12": what this very key can do, in lower case.
            "sec" | "ssb" => signs = fields.get(11).is_some_and(|can| can.contains('s')),
            "grp" if signs => {
                let grip = fields.get(9).copied().unwrap_or_default();
                if grip.len() == 40 && grip.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return Ok(grip.to_owned());
                }
            }
            _ => {}
        }
    }
    let message = format!("gpg has no secret key \"{}\" that signs", key.escape_debug());
    let mut error = Error::new(ErrorKind::ToolFailed, message);
    error.causes = String::from_utf8_lossy(&output.stderr).lines().map(str::to_owned).collect();
    Err(error.hint("gpg --list-secret-keys lists those that there are.").option("sign-key"))
}

/// What the agent answers to the last of these words.
fn ask(forge: &Forge, words: &[String]) -> Result<Vec<u8>> {
    let mut child = Command::new("gpg-connect-agent")
        .env_clear()
        .envs(forge.gpg_env.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(missing)?;
    if let Some(mut stdin) = child.stdin.take() {
        let text = words.iter().fold(String::new(), |text, word| text + word + "\n") + "/bye\n";
        stdin.write_all(text.as_bytes()).map_err(|e| Error::io("cannot speak to gpg-agent", e))?;
    }
    let output = child.wait_with_output().map_err(|e| Error::io("cannot hear gpg-agent", e))?;
    answer(&output.stdout)
}

/// The data in an answer: `D …` lines, their `%XX` undone, without an `ERR` among them.
fn answer(text: &[u8]) -> Result<Vec<u8>> {
    let mut data = Vec::new();
    for line in text.split(|&byte| byte == b'\n') {
        if let Some(failure) = line.strip_prefix(b"ERR ") {
            let mut error = Error::new(ErrorKind::ToolFailed, "gpg-agent does not sign");
            error.causes.push(String::from_utf8_lossy(failure).into_owned());
            return Err(error);
        }
        let mut bytes = line.strip_prefix(b"D ").unwrap_or_default().iter().copied();
        while let Some(byte) = bytes.next() {
            let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
            data.push(match byte {
                b'%' => {
                    let code = digit(bytes.next()).zip(digit(bytes.next()));
                    let code = code.and_then(|(high, low)| u8::try_from(16 * high + low).ok());
                    code.ok_or_else(|| unexpected("a broken escape"))?
                }
                byte => byte,
            });
        }
    }
    Ok(data)
}

fn unexpected(what: &str) -> Error {
    Error::new(ErrorKind::ToolFailed, format!("gpg-agent answers with {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        assert_eq!(answer(b"OK\nS PROGRESS\nD (1:a%0A%25\nD 1:b)\nOK\n").unwrap(), b"(1:a\n%1:b)");
        assert!(answer(b"OK\nERR 67108881 No secret key <GPG Agent>\n").is_err());
        assert!(answer(b"D %zz\n").is_err());
    }

    #[test]
    fn scalars_are_as_long_as_they_are() {
        let sexp = |r: &[u8]| {
            let mut text = format!("(7:sig-val(5:ecdsa(1:r{}:", r.len()).into_bytes();
            text.extend(r);
            text.extend(b")(1:s1:\x05)))");
            signature(&Sexp::parse(&text).unwrap())
        };
        let long = [&[0][..], &[0xee; 32]].concat();
        assert_eq!(sexp(&[7]).unwrap(), [0x30, 6, 2, 1, 7, 2, 1, 5]);
        assert!(sexp(&long).is_some());
        assert!(sexp(&[1; 33]).is_none() && sexp(&[]).is_none());
    }
}
