//! An identity provider on a port of its own, with as much of OpenID Connect as signing in needs: discovery, keys and the token
//! endpoint by HTTP; its page is a function. It can be told to lie.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use actix_web::http::StatusCode;
use actix_web::web::{self, Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::Utc;
use hmac::{Hmac, KeyInit, Mac};
use offprint_core::Digest;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use serde_json::{Map, Value, json};
use sha2::Sha256;

use crate::support::local_server::start_local_server;

pub const CLIENT_ID: &str = "offprint client";
pub const CLIENT_SECRET: &str = "a secret: with + and %";
/// Where the tests' applications are: their settings name no public address.
pub const REDIRECT_URI: &str = "http://127.0.0.1:8080/sign-in/oidc/callback";

/// How the provider answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ProviderBehavior {
    #[default]
    Healthy,
    /// Everything answers with this status.
    Failing(u16),
    /// The token endpoint answers with this status.
    FailingTokens(u16),
    /// The configuration names another issuer.
    OtherIssuer,
    /// The configuration names an address without TLS.
    PlainEndpoint,
}

/// How tokens are signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenSignature {
    #[default]
    Own,
    /// `alg` is `none`.
    Absent,
    /// `HS256`, with the public key as the secret.
    PublicKeyAsSecret,
    /// By another key, under the name of the published one.
    OtherKey,
    /// The claims were changed after they were signed.
    Changed,
}

struct IssuedCode {
    challenge: String,
    nonce: String,
}

struct ProviderState {
    issuer: String,
    key: Arc<EcdsaKeyPair>,
    key_id: String,
    is_key_published: bool,
    behavior: ProviderBehavior,
    signature: TokenSignature,
    /// Put into tokens in place of the usual ones; null leaves a claim out.
    claims: Map<String, Value>,
    /// The same for headers of tokens.
    header: Map<String, Value>,
    codes: BTreeMap<String, IssuedCode>,
    key_fetches: usize,
}

/// The running provider; dropping it stops it.
pub struct FakeProvider {
    state: Arc<Mutex<ProviderState>>,
    handle: actix_web::dev::ServerHandle,
    issuer: String,
}

fn make_key() -> Arc<EcdsaKeyPair> {
    let random = SystemRandom::new();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    Arc::new(EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap())
}

impl FakeProvider {
    pub fn start() -> Self {
        let state = Arc::new(Mutex::new(ProviderState {
            issuer: String::new(),
            key: make_key(),
            key_id: "first".into(),
            is_key_published: true,
            behavior: ProviderBehavior::default(),
            signature: TokenSignature::default(),
            claims: Map::new(),
            header: Map::new(),
            codes: BTreeMap::new(),
            key_fetches: 0,
        }));
        let data = Data::from(state.clone());
        let (handle, port) = start_local_server(move |config| {
            config.app_data(data.clone()).default_service(web::to(handle_request));
        });
        let issuer = format!("http://127.0.0.1:{port}/realms/acme");
        state.lock().unwrap().issuer.clone_from(&issuer);
        Self { state, handle, issuer }
    }

    pub fn issuer(&self) -> String {
        self.issuer.clone()
    }

    fn lock(&self) -> MutexGuard<'_, ProviderState> {
        self.state.lock().unwrap()
    }

    pub fn set_behavior(&self, behavior: ProviderBehavior) {
        self.lock().behavior = behavior;
    }

    pub fn set_signature(&self, signature: TokenSignature) {
        self.lock().signature = signature;
    }

    /// Replaces what tokens say beside the usual; null leaves a claim out.
    pub fn set_claims(&self, claims: Value) {
        self.lock().claims = claims.as_object().unwrap().clone();
    }

    /// The same for headers of tokens.
    pub fn set_header(&self, header: Value) {
        self.lock().header = header.as_object().unwrap().clone();
    }

    /// Signs with another key from now on.
    pub fn rotate_key(&self, key_id: &str, is_published: bool) {
        let mut state = self.lock();
        (state.key, state.key_id, state.is_key_published) = (make_key(), key_id.into(), is_published);
    }

    /// How often the keys were asked for.
    pub fn key_fetches(&self) -> usize {
        self.lock().key_fetches
    }

    /// The provider's page: checks what the service sent with the browser, and sends it back with a code. Returns the path of
    /// the service to which it goes.
    #[track_caller]
    pub fn approve(&self, location: &str) -> String {
        let (query, _) = self.read_request(location);
        let code = format!("code-{}", uuid::Uuid::new_v4());
        let issued = IssuedCode { challenge: query["code_challenge"].clone(), nonce: query["nonce"].clone() };
        self.lock().codes.insert(code.clone(), issued);
        let answer = [("state", &query["state"]), ("code", &code), ("iss", &self.issuer)];
        write_callback(&answer.map(|(name, value)| (name, value.as_str())))
    }

    /// The parameters of the provider's page, and its address without them.
    #[track_caller]
    pub fn read_request(&self, location: &str) -> (BTreeMap<String, String>, String) {
        let url = url::Url::parse(location).unwrap();
        let query: BTreeMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!(query.len(), url.query_pairs().count(), "each parameter once: {location}");
        for (name, value) in [
            ("response_type", "code"),
            ("client_id", CLIENT_ID),
            ("redirect_uri", REDIRECT_URI),
            ("code_challenge_method", "S256"),
            ("scope", "openid profile email"),
        ] {
            assert_eq!(query[name], value, "{location}");
        }
        assert!(query["state"].len() >= 43 && query["nonce"].len() >= 43 && query["code_challenge"].len() == 43);
        let mut page = url;
        page.set_query(None);
        (query, page.to_string())
    }
}

/// The path to which the provider sends browsers back.
pub fn write_callback(parameters: &[(&str, &str)]) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    format!("/sign-in/oidc/callback?{query}")
}

impl Drop for FakeProvider {
    fn drop(&mut self) {
        drop(self.handle.stop(false));
    }
}

async fn handle_request(state: Data<Mutex<ProviderState>>, request: HttpRequest, body: Bytes) -> HttpResponse {
    let mut state = state.lock().unwrap();
    if let ProviderBehavior::Failing(status) = state.behavior {
        return HttpResponse::build(StatusCode::from_u16(status).unwrap()).body("not now");
    }
    let issuer = state.issuer.clone();
    match (request.method().as_str(), request.path()) {
        ("GET", "/realms/acme/.well-known/openid-configuration") => {
            let plain = state.behavior == ProviderBehavior::PlainEndpoint;
            let other = state.behavior == ProviderBehavior::OtherIssuer;
            HttpResponse::Ok().json(json!({
                "issuer": if other { format!("{issuer}/") } else { issuer.clone() },
                "authorization_endpoint": format!("{issuer}/page?realm=acme"),
                "token_endpoint": if plain { "http://id.example/token".to_owned() } else { format!("{issuer}/token") },
                "jwks_uri": format!("{issuer}/keys"),
                "authorization_response_iss_parameter_supported": true,
                "unknown": [1, 2],
            }))
        }
        ("GET", "/realms/acme/keys") => {
            state.key_fetches += 1;
            let keys = if state.is_key_published { vec![state.public_key()] } else { Vec::new() };
            HttpResponse::Ok().json(json!({ "keys": keys }))
        }
        ("POST", "/realms/acme/token") => state.redeem(&request, &body),
        _ => HttpResponse::NotFound().finish(),
    }
}

impl ProviderState {
    fn public_key(&self) -> Value {
        let point = self.key.public_key().as_ref();
        json!({
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.key_id,
            "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]),
        })
    }

    /// The token endpoint: RFC 6749 4.1.3 and RFC 7636 4.6.
    fn redeem(&mut self, request: &HttpRequest, body: &[u8]) -> HttpResponse {
        let refuse = |error: &str| HttpResponse::BadRequest().json(json!({"error": error, "error_description": "no"}));
        if let ProviderBehavior::FailingTokens(status) = self.behavior {
            return HttpResponse::build(StatusCode::from_u16(status).unwrap()).body("not now");
        }
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let basic = STANDARD.encode(format!("{}:{}", encode(CLIENT_ID), encode(CLIENT_SECRET)));
        if request.headers().get("authorization").is_none_or(|sent| *sent != format!("Basic {basic}")) {
            return refuse("invalid_client");
        }
        let form: BTreeMap<String, String> = url::form_urlencoded::parse(body).into_owned().collect();
        let verifier = Digest::compute(form["code_verifier"].as_bytes()).to_bytes();
        let Some(issued) = self.codes.remove(&form["code"]) else { return refuse("invalid_grant") };
        let is_right = form["grant_type"] == "authorization_code"
            && form["redirect_uri"] == REDIRECT_URI
            && URL_SAFE_NO_PAD.encode(verifier) == issued.challenge;
        if !is_right {
            return refuse("invalid_grant");
        }
        HttpResponse::Ok().json(json!({
            "access_token": "unused", "token_type": "Bearer", "expires_in": 60, "id_token": self.sign_token(&issued.nonce),
        }))
    }

    fn sign_token(&self, nonce: &str) -> String {
        let now = Utc::now().timestamp();
        let mut claims = json!({
            "iss": self.issuer, "sub": "subject-of-ann", "aud": CLIENT_ID, "exp": now + 60, "iat": now, "nonce": nonce,
            "preferred_username": "ann", "email": "ann@example.org", "email_verified": true, "locale": "nl-BE",
            "zoneinfo": "Europe/Brussels", "name": "Ann of Acme",
        });
        merge(&mut claims, &self.claims);
        let algorithm = match self.signature {
            TokenSignature::Absent => "none",
            TokenSignature::PublicKeyAsSecret => "HS256",
            _ => "ES256",
        };
        let mut header = json!({"alg": algorithm, "typ": "JWT", "kid": self.key_id});
        merge(&mut header, &self.header);
        let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let mut message = format!("{}.{}", encode(&header), encode(&claims));
        let signature = self.sign(message.as_bytes());
        if self.signature == TokenSignature::Changed {
            claims["sub"] = "subject-of-another".into();
            message = format!("{}.{}", encode(&header), encode(&claims));
        }
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self.signature {
            TokenSignature::Own | TokenSignature::Changed => self.key.sign(&random, message).unwrap().as_ref().to_vec(),
            TokenSignature::OtherKey => make_key().sign(&random, message).unwrap().as_ref().to_vec(),
            TokenSignature::Absent => Vec::new(),
            TokenSignature::PublicKeyAsSecret => {
                let key = self.public_key().to_string();
                let mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).unwrap().chain_update(message);
                mac.finalize().into_bytes().to_vec()
            }
        }
    }
}

fn merge(object: &mut Value, changes: &Map<String, Value>) {
    let object = object.as_object_mut().unwrap();
    for (name, value) in changes {
        match value {
            Value::Null => drop(object.remove(name)),
            value => drop(object.insert(name.clone(), value.clone())),
        }
    }
}
