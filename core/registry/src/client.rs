//! Requests to a registry: who is asking, where redirects lead, when to try again.

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ctr_forge_fetch::Http;
use ctr_forge_plugin::{Error, ErrorKind, Result};
use serde::Deserialize;
use ureq::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE};
use ureq::http::{HeaderValue, Request, Response};
use ureq::{Body, SendBody};
use url::{Host, Url};

use crate::challenge::Challenge;
use crate::login::{self, Login};
use crate::reference::Reference;

/// How many redirects are followed.
const MAX_REDIRECTS: usize = 10;

/// Most bytes of an answer that is not content.
const MAX_ANSWER: u64 = 4 << 20;

/// What registries are asked with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Connections.
    pub http: Http,
    /// `containers-auth.json(5)` and its like, the first that knows a registry decides. Those that
    /// do not exist are passed over.
    pub auth_files: Vec<PathBuf>,
    /// Speak HTTP without TLS, also to hosts that are not this machine.
    pub plain_http: bool,
}

/// A registry, for one repository in it.
#[derive(Debug)]
pub struct Registry {
    settings: Settings,
    reference: Reference,
    base: Url,
    /// For each scope, what `Authorization` says.
    authorizations: Mutex<HashMap<String, HeaderValue>>,
    login: OnceLock<Option<Login>>,
}

/// What a request carries.
pub(crate) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    /// So many bytes, which can be read anew for each attempt.
    Stream(u64, &'a dyn Fn() -> Result<Box<dyn Read>>),
}

/// A request.
pub(crate) struct Ask<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: Url,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) payload: Payload<'a>,
    /// `pull`, or `pull,push`.
    pub(crate) actions: &'a str,
    /// Further repositories that are read from.
    pub(crate) also: Vec<String>,
}

impl Registry {
    /// The registry and repository of `reference`.
    ///
    /// # Errors
    ///
    /// If it cannot be reached.
    pub fn connect(settings: &Settings, reference: &Reference) -> Result<Self> {
        let wrong = |e: url::ParseError| {
            Error::usage(format!("\"{}\" is no host of a registry", reference.api())).because(&e)
        };
        let at = |scheme: &str| Url::parse(&format!("{scheme}://{}/v2/", reference.api())).map_err(wrong);
        let with = |base| Self {
            settings: settings.clone(),
            reference: reference.clone(),
            base,
            authorizations: Mutex::default(),
            login: OnceLock::new(),
        };
        let plain = at("http")?;
        if settings.plain_http {
            return Ok(with(plain));
        }
        let secure = at("https")?;
        if !is_this_machine(&secure) {
            return Ok(with(secure));
        }
        // Registries for trials have no TLS, and nobody listens in between. One that has it says to
        // plain HTTP that the request is bad, and what is wrong with its certificate is to be heard.
        let ask = |url: &Url| {
            let request = Request::get(url.as_str()).body(SendBody::none()).map_err(|e| internal(&e))?;
            Ok::<_, Error>(settings.http.send(request).map(|response| response.status().as_u16()))
        };
        let is_plain = ask(&secure)?.is_err() && ask(&plain)?.is_ok_and(|status| status != 400);
        Ok(with(if is_plain { plain } else { secure }))
    }

    /// What was asked for.
    pub fn reference(&self) -> &Reference {
        &self.reference
    }

    /// `/v2/NAME/REST`.
    pub(crate) fn url(&self, rest: &str) -> Result<Url> {
        let path = format!("{}/{rest}", self.reference.repository);
        self.base.join(&path).map_err(|e| internal(&e))
    }

    /// Where an answer says that an upload goes on; it may be relative.
    pub(crate) fn location(&self, at: &Url, response: &Response<Body>) -> Result<Url> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let location = location.ok_or_else(|| self.broken("an upload without a location"))?;
        let next = at.join(location).map_err(|e| self.broken("an upload to nonsense").because(&e))?;
        check_scheme(at, &next).map_err(|why| self.broken(&why))?;
        Ok(next)
    }

    pub(crate) fn broken(&self, what: &str) -> Error {
        Error::new(ErrorKind::Network, format!("{} answers wrongly: {what}", self.reference.registry))
    }

    /// Sends a request, with what it takes to be let in. Any other status is the caller's affair.
    pub(crate) fn send(&self, ask: &Ask<'_>) -> Result<Response<Body>> {
        let scope = self.scope(ask);
        let response = self.hops(ask, self.authorization(&scope))?;
        if response.status().as_u16() != 401 {
            return Ok(response);
        }
        // Unknown, or the token has expired: once more, with a new one.
        let header =
            response.headers().get_all(WWW_AUTHENTICATE).iter().filter_map(|value| value.to_str().ok());
        let challenge = Challenge::parse(&header.collect::<Vec<_>>().join(", "));
        let Some(challenge) = challenge else { return Ok(response) };
        drop(response);
        let authorization = self.introduce(&challenge, &scope)?;
        let Some(authorization) = authorization else { return Err(self.not_let_in()) };
        lock(&self.authorizations).insert(scope, authorization.clone());
        let response = self.hops(ask, Some(authorization))?;
        match response.status().as_u16() {
            401 => Err(self.not_let_in()),
            _ => Ok(response),
        }
    }

    fn scope(&self, ask: &Ask<'_>) -> String {
        let own = format!("repository:{}:{}", self.reference.repository, ask.actions);
        let also = ask.also.iter().map(|name| format!("repository:{name}:pull"));
        std::iter::once(own).chain(also).collect::<Vec<_>>().join(" ")
    }

    fn authorization(&self, scope: &str) -> Option<HeaderValue> {
        lock(&self.authorizations).get(scope).cloned()
    }

    fn not_let_in(&self) -> Error {
        let who = match self.login.get() {
            Some(Some(login)) => {
                let user = login.user().unwrap_or("whom the noted token is for");
                format!("{} does not let \"{user}\" do that", self.reference.registry)
            }
            _ => format!("{} lets in nobody without a name", self.reference.registry),
        };
        Error::new(ErrorKind::Permission, who)
            .hint(format!("Log in with: podman login {}, or docker login.", self.reference.registry))
    }

    /// What `Authorization` is to say, after a challenge.
    fn introduce(&self, challenge: &Challenge, scope: &str) -> Result<Option<HeaderValue>> {
        let login = self.login()?;
        match challenge {
            Challenge::Basic => login.and_then(basic).transpose(),
            Challenge::Bearer { realm, service, .. } => {
                let token = self.token(realm, service.as_deref(), scope, login)?;
                secret(format!("Bearer {token}")).map(Some)
            }
        }
    }

    fn login(&self) -> Result<Option<&Login>> {
        if self.login.get().is_none() {
            let Reference { registry, repository, .. } = &self.reference;
            let found = login::find(&self.settings.auth_files, registry, repository)?;
            let _ = self.login.set(found);
        }
        Ok(self.login.get().and_then(Option::as_ref))
    }

    fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scope: &str,
        login: Option<&Login>,
    ) -> Result<String> {
        #[derive(Deserialize)]
        struct Answer {
            token: Option<String>,
            access_token: Option<String>,
        }
        let mut url =
            Url::parse(realm).map_err(|e| self.broken("a token server that is none").because(&e))?;
        check_scheme(&self.base, &url).map_err(|why| self.broken(&why))?;
        let response = match login {
            Some(Login::Identity(token)) => self.exchange(&url, service, scope, token)?,
            login => {
                if let Some(service) = service {
                    url.query_pairs_mut().append_pair("service", service);
                }
                for scope in scope.split(' ') {
                    url.query_pairs_mut().append_pair("scope", scope);
                }
                let mut request = Request::get(url.as_str());
                if let Some(authorization) = login.and_then(basic).transpose()? {
                    request = request.header(AUTHORIZATION, authorization);
                }
                let request = request.body(SendBody::none()).map_err(|e| internal(&e))?;
                self.answer(self.settings.http.send(request))?
            }
        };
        match response.status().as_u16() {
            200 => {}
            401 | 403 => return Err(self.not_let_in()),
            _ => return Err(self.unexpected("give a token", response)),
        }
        let answer: Answer = serde_json::from_slice(&self.small(response)?)
            .map_err(|e| self.broken("a token that cannot be read").because(&e))?;
        answer.token.or(answer.access_token).ok_or_else(|| self.broken("no token"))
    }

    /// Asks for a token by an identity token (distribution's `oauth.md`).
    fn exchange(&self, url: &Url, service: Option<&str>, scope: &str, token: &str) -> Result<Response<Body>> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token").append_pair("client_id", "ctr-forge");
        form.append_pair("scope", scope).append_pair("refresh_token", token);
        form.extend_pairs(service.map(|service| ("service", service)));
        let form = form.finish();
        let request = Request::post(url.as_str()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let request = request.body(form.as_str()).map_err(|e| internal(&e))?;
        self.answer(self.settings.http.send(request))
    }

    /// One request, through redirects where there is nothing to send.
    fn hops(&self, ask: &Ask<'_>, authorization: Option<HeaderValue>) -> Result<Response<Body>> {
        let mut at = ask.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = Request::builder().method(ask.method).uri(at.as_str());
            for (name, value) in &ask.headers {
                request = request.header(*name, value);
            }
            // Storage elsewhere has the right to read in its URL, and gets no other.
            if at.origin() == self.base.origin()
                && let Some(authorization) = &authorization
            {
                request = request.header(AUTHORIZATION, authorization);
            }
            let response = match &ask.payload {
                Payload::None => {
                    let request = request.body(SendBody::none()).map_err(|e| internal(&e))?;
                    self.answer(self.settings.http.send(request))?
                }
                Payload::Bytes(bytes) => {
                    let request = request.body(*bytes).map_err(|e| internal(&e))?;
                    self.answer(self.settings.http.send(request))?
                }
                Payload::Stream(size, open) => {
                    let mut reader = open()?.take(*size);
                    let request = request.header("Content-Length", size.to_string());
                    let body = SendBody::from_reader(&mut reader);
                    let request = request.body(body).map_err(|e| internal(&e))?;
                    self.answer(self.settings.http.send(request))?
                }
            };
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !is_redirect || !matches!(ask.payload, Payload::None) || ask.method == "POST" {
                return Ok(response);
            }
            at = self.location(&at, &response)?;
        }
        Err(self.broken("redirects without an end"))
    }

    fn answer(
        &self,
        result: std::result::Result<Response<Body>, ctr_forge_fetch::FetchError>,
    ) -> Result<Response<Body>> {
        result.map_err(|error| {
            let message = format!("cannot reach the registry {}", self.reference.registry);
            let mut said = Error::new(ErrorKind::Network, message);
            said.causes.push(error.to_string());
            said
        })
    }

    /// An answer that is a document.
    pub(crate) fn small(&self, mut response: Response<Body>) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let read = response.body_mut().as_reader().take(MAX_ANSWER + 1).read_to_end(&mut bytes);
        read.map_err(|e| Error::io(format!("cannot read what {} answers", self.reference.registry), e))?;
        match bytes.len() as u64 > MAX_ANSWER {
            false => Ok(bytes),
            true => Err(self.broken("a document of more than 4 MiB")),
        }
    }

    /// That a registry did not do something, in its own words.
    pub(crate) fn unexpected(&self, what: &str, response: Response<Body>) -> Error {
        #[derive(Deserialize)]
        struct Answer {
            #[serde(default)]
            errors: Vec<Said>,
        }
        #[derive(Deserialize)]
        struct Said {
            #[serde(default)]
            code: String,
            #[serde(default)]
            message: String,
        }
        let status = response.status();
        let kind = match status.as_u16() {
            401 | 403 => ErrorKind::Permission,
            404 => ErrorKind::NotFound,
            _ => ErrorKind::Network,
        };
        let mut error = Error::new(kind, format!("{} does not {what}", self.reference.registry));
        error.causes.push(format!("it answers {status}"));
        let text = self.small(response).unwrap_or_default();
        if let Ok(answer) = serde_json::from_slice::<Answer>(&text) {
            error.causes.extend(answer.errors.iter().map(|said| format!("{}: {}", said.code, said.message)));
        }
        if kind == ErrorKind::Permission {
            let registry = &self.reference.registry;
            return error.hint(format!("Log in with: podman login {registry}, or docker login."));
        }
        error
    }

    /// Does something until it is done, the registry's last word is no, or it was tried often enough.
    pub(crate) fn retrying<T>(&self, mut attempt: impl FnMut() -> Result<Attempt<T>>) -> Result<T> {
        let retry = self.settings.http.config().retry;
        let mut delay = retry.delay;
        let mut left = retry.attempts.get();
        loop {
            left -= 1;
            let failure = match attempt() {
                Ok(Attempt::Done(value)) => return Ok(value),
                Ok(Attempt::Passing(error)) => error,
                Err(error) if error.kind == ErrorKind::Network => error,
                Err(error) => return Err(error),
            };
            if left == 0 {
                return Err(failure);
            }
            std::thread::sleep(delay.min(retry.longest_delay));
            delay = delay.saturating_mul(2).max(Duration::from_millis(1));
        }
    }
}

/// What came of an attempt.
pub(crate) enum Attempt<T> {
    Done(T),
    /// It may go better the next time.
    Passing(Error),
}

/// Whether a status may be another one the next time.
pub(crate) fn is_passing(status: u16) -> bool {
    status == 429 || (500..600).contains(&status)
}

/// From TLS there is no way back; and only the two schemes are known.
fn check_scheme(at: &Url, next: &Url) -> std::result::Result<(), String> {
    match (at.scheme(), next.scheme()) {
        ("http", "http" | "https") | ("https", "https") => Ok(()),
        (_, scheme) => Err(format!("a way from {} to {scheme}", at.scheme())),
    }
}

/// Whether a URL leads to this very machine.
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// A password in a header; none of who has no password.
fn basic(login: &Login) -> Option<Result<HeaderValue>> {
    let Login::Password { user, password } = login else { return None };
    Some(secret(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
}

fn secret(text: String) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(&text)
        .map_err(|e| Error::new(ErrorKind::Network, "a token has impossible characters").because(&e))?;
    value.set_sensitive(true);
    Ok(value)
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Error {
    Error::new(ErrorKind::Internal, "cannot make a request").because(error)
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
