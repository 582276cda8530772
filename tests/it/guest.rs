//! A house that asks for keys, and the guests who come with one.

use actix_web::test::TestRequest;
use offprint::db::api_key::{self, NewKey, RawKey};
use offprint::db::capability::Capability;
use offprint::db::company;
use offprint::id::CompanyId;
use offprint::settings::Auth;
use serde_json::Value;
use sqlx::PgPool;

use crate::house::{Answer, House};

/// A house that asks for keys.
pub async fn guarded(pool: PgPool) -> House {
    House::with(pool, |settings| settings.auth = Auth::Keys).await
}

/// A company with a user and a key for that user.
pub struct Guest<'a> {
    pub house: &'a House,
    pub company: CompanyId,
    user: String,
    pub key: String,
}

impl<'a> Guest<'a> {
    /// A user of a company, with a key that may do this.
    pub async fn with(house: &'a House, company: &str, user: &str, capabilities: &[Capability]) -> Self {
        let mut connection = house.state.system.acquire().await.unwrap();
        let company = company::find_or_make(&mut connection, company).await.unwrap();
        drop(connection);
        let mut guest = Self { house, company, user: user.into(), key: String::new() };
        guest.key = guest.key_for(capabilities).await;
        guest
    }

    /// A user of a company, with a key that may do everything.
    pub async fn of(house: &'a House, company: &str, user: &str) -> Self {
        Self::with(house, company, user, &Capability::ALL).await
    }

    /// Another key of the same user.
    pub async fn key_for(&self, capabilities: &[Capability]) -> String {
        let raw = RawKey::new().unwrap();
        let mut connection = self.house.state.system.acquire().await.unwrap();
        let user = company::user(&mut connection, self.company, &self.user, None, None).await.unwrap();
        let new = NewKey { name: "of a test", user, capabilities, expires_at: None };
        api_key::insert(&mut connection, self.company, &raw, &new).await.unwrap();
        let key = raw.reveal();
        self.house.witness.read(&key);
        key
    }

    pub async fn send(&self, request: TestRequest) -> Answer {
        send(self.house, request, Some(&format!("Bearer {}", self.key))).await
    }

    pub async fn get(&self, uri: &str) -> Answer {
        self.send(TestRequest::get().uri(uri)).await
    }

    pub async fn post(&self, uri: &str, body: Value) -> Answer {
        self.send(TestRequest::post().uri(uri).set_json(body)).await
    }

    pub async fn delete(&self, uri: &str) -> Answer {
        self.send(TestRequest::delete().uri(uri)).await
    }

    pub async fn upload(&self, name: &str, bytes: &[u8]) -> Answer {
        self.send(upload(name, bytes)).await
    }

    /// Uploads one file and gives its handle.
    pub async fn asset(&self, name: &str, bytes: &[u8]) -> String {
        let answer = self.upload(name, bytes).await.is(201);
        answer["assets"][0]["assetHandle"].as_str().unwrap().to_owned()
    }
}

/// A request with whatever stands in `Authorization`.
pub async fn send(house: &House, request: TestRequest, authorization: Option<&str>) -> Answer {
    let request = match authorization {
        Some(said) => request.insert_header(("authorization", said)),
        None => request,
    };
    house.send_as_is(request).await
}

/// An upload of one file.
pub fn upload(name: &str, bytes: &[u8]) -> TestRequest {
    let head = format!("--f\r\ncontent-disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n");
    let body = [head.as_bytes(), bytes, b"\r\n--f--\r\n"].concat();
    TestRequest::post()
        .uri("/assets")
        .insert_header(("content-type", "multipart/form-data; boundary=f"))
        .set_payload(body)
}
