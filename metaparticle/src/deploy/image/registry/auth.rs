//! How a registry's challenge (`WWW-Authenticate`) is answered: with a password, or with a token that a token server
//! gives for it. See <https://distribution.github.io/distribution/spec/auth/token/>.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use http_auth::ChallengeParser;
use reqwest::{
    Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, WWW_AUTHENTICATE},
};
use serde::Deserialize;

use super::{
    super::{credentials::Credential, reference::is_loopback},
    Action, RegistryError,
};

/// What a request is authorized by: the value of its `Authorization` header.
#[derive(Clone)]
pub(super) struct Authorization(HeaderValue);

/// What a registry asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password.
    Basic,
    /// A token of this server.
    Bearer {
        realm: String,
        service: Option<String>,
        scope: Option<String>,
    },
}

/// A request to a token server. It holds secrets, so it has no `Debug`.
#[derive(Clone)]
pub(super) enum TokenRequest {
    Get {
        url: Url,
        basic: Option<Authorization>,
    },
    Post {
        url: Url,
        form: String,
    },
}

/// Name under which token servers know this client.
const CLIENT: &str = "metaparticle";

impl Authorization {
    fn basic(user: &str, password: &str) -> Option<Self> {
        Self::secret(&format!(
            "Basic {}",
            STANDARD.encode(format!("{user}:{password}"))
        ))
    }

    /// What is sent to a registry that wants name and password.
    pub(super) fn of(credential: &Credential) -> Option<Self> {
        match credential {
            Credential::Password { user, password } => Self::basic(user, password),
            _ => None,
        }
    }

    pub(super) fn is(&self, other: &Self) -> bool {
        self.0 == other.0
    }

    fn secret(value: &str) -> Option<Self> {
        let mut value = HeaderValue::from_str(value).ok()?;
        value.set_sensitive(true);
        Some(Self(value))
    }

    pub(super) fn header(&self) -> (http::HeaderName, HeaderValue) {
        (AUTHORIZATION, self.0.clone())
    }
}

impl Challenge {
    /// The challenge of these headers to which an answer is known; a token is preferred.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let challenges = headers
            .get_all(WWW_AUTHENTICATE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| ChallengeParser::new(value).flatten());
        let mut basic = None;
        for challenge in challenges {
            let parameter = |name: &str| {
                challenge
                    .params
                    .iter()
                    .find(|(key, _)| key.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value.to_unescaped())
            };
            if challenge.scheme.eq_ignore_ascii_case("bearer") {
                if let Some(realm) = parameter("realm") {
                    return Some(Self::Bearer {
                        realm,
                        service: parameter("service"),
                        scope: parameter("scope"),
                    });
                }
            } else if challenge.scheme.eq_ignore_ascii_case("basic") {
                basic = Some(Self::Basic);
            }
        }
        basic
    }
}

/// The request for a token that allows `scopes`, and what the challenge names.
///
/// # Errors
/// [`RegistryError::Protocol`] for a realm that is no URL, [`RegistryError::InsecureRealm`] for one that would get a
/// secret without TLS.
pub(super) fn token_request(
    host: &super::Host,
    credential: &Credential,
    challenge: (&str, Option<&str>, Option<&str>),
    scopes: &[String],
) -> Result<TokenRequest, RegistryError> {
    let (realm, service, scope) = challenge;
    let mut url = Url::parse(realm)
        .ok()
        .filter(Url::has_host)
        .ok_or_else(|| RegistryError::Protocol {
            host: host.clone(),
            action: Action::Authorize,
            what: format!("its token server `{realm}` is not a URL"),
        })?;
    let local = url.host_str().is_some_and(is_loopback);
    if url.scheme() != "https" && !local && *credential != Credential::Anonymous {
        return Err(RegistryError::InsecureRealm {
            host: host.clone(),
            realm: realm.to_owned(),
        });
    }
    let mut wanted: Vec<&str> = scopes.iter().map(String::as_str).collect();
    for scope in scope.into_iter().flat_map(str::split_whitespace) {
        if !wanted.iter().any(|known| covers(known, scope)) {
            wanted.push(scope);
        }
    }
    if let Credential::IdentityToken(token) = credential {
        let mut form = Url::parse("form:/").expect("it is a URL");
        form.query_pairs_mut()
            .append_pair("grant_type", "refresh_token")
            .append_pair("client_id", CLIENT)
            .append_pair("service", service.unwrap_or_default())
            .append_pair("scope", &wanted.join(" "))
            .append_pair("refresh_token", token);
        let form = form.query().unwrap_or_default().to_owned();
        return Ok(TokenRequest::Post { url, form });
    }
    {
        let mut query = url.query_pairs_mut();
        if let Some(service) = service {
            query.append_pair("service", service);
        }
        for scope in wanted {
            query.append_pair("scope", scope);
        }
    }
    let basic = Authorization::of(credential);
    Ok(TokenRequest::Get { url, basic })
}

/// Whether the scope `known` allows all that `other` does: `repository:web:pull,push` covers `repository:web:pull`.
fn covers(known: &str, other: &str) -> bool {
    let parts = |scope: &'_ str| -> Option<(String, Vec<String>)> {
        let (resource, actions) = scope.rsplit_once(':')?;
        let actions = actions.split(',').map(str::to_owned).collect();
        Some((resource.to_owned(), actions))
    };
    match (parts(known), parts(other)) {
        (Some((resource, has)), Some((other, needs))) => {
            resource == other && needs.iter().all(|action| has.contains(action))
        }
        _ => known == other,
    }
}

impl TokenRequest {
    /// Sends it once.
    pub(super) async fn send(
        &self,
        client: &reqwest::Client,
    ) -> Result<reqwest::Response, reqwest::Error> {
        match self {
            Self::Get { url, basic } => {
                let headers = basic.iter().map(Authorization::header).collect();
                client.get(url.clone()).headers(headers)
            }
            Self::Post { url, form } => client
                .post(url.clone())
                .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
                .body(form.clone()),
        }
        .send()
        .await
    }
}

/// The token in a token server's answer.
pub(super) fn token(answer: &[u8]) -> Option<Authorization> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        access_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(answer).ok()?;
    let token = answer.token.or(answer.access_token)?;
    Authorization::secret(&format!("Bearer {token}"))
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Authorization").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::image::reference::Location;

    fn challenge(header: &'static str) -> Option<Challenge> {
        let mut headers = HeaderMap::new();
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(header));
        Challenge::of(&headers)
    }

    fn request(credential: &Credential, realm: &str) -> Result<TokenRequest, RegistryError> {
        let host = Location::parse("registry.example.com/web").host;
        let scopes = ["repository:web:pull,push".to_owned()];
        let challenge = (realm, Some("a service"), Some("repository:web:pull"));
        token_request(&host, credential, challenge, &scopes)
    }

    fn password() -> Credential {
        Credential::Password {
            user: "me".into(),
            password: "secret".into(),
        }
    }

    #[test]
    fn token_is_preferred_to_a_password() {
        let both = r#"Basic realm="r", Bearer realm="https://t/", service="a \"b\"""#;
        let bearer = Challenge::Bearer {
            realm: "https://t/".into(),
            service: Some("a \"b\"".into()),
            scope: None,
        };
        assert_eq!(challenge(both), Some(bearer));
        assert_eq!(challenge("basic realm=r"), Some(Challenge::Basic));
        assert_eq!(challenge("Negotiate"), None);
    }

    #[test]
    fn scope_that_is_covered_is_not_asked_for_again() {
        let Ok(TokenRequest::Get { url, basic }) = request(&password(), "https://t/token?a=b")
        else {
            panic!("a password is sent with GET");
        };
        assert!(basic.is_some());
        assert_eq!(
            url.as_str(),
            "https://t/token?a=b&service=a+service&scope=repository%3Aweb%3Apull%2Cpush"
        );
    }

    #[test]
    fn no_secret_goes_to_a_token_server_without_tls() {
        let refused = |result| matches!(result, Err(RegistryError::InsecureRealm { .. }));
        assert!(refused(request(&password(), "http://t.example.com/")));
        let token = Credential::IdentityToken("secret".into());
        assert!(refused(request(&token, "http://t.example.com/")));
        assert!(request(&Credential::Anonymous, "http://t.example.com/").is_ok());
        assert!(request(&password(), "http://127.0.0.1:1/").is_ok());
    }

    #[test]
    fn realm_that_is_no_url_is_a_breach_of_the_protocol() {
        let result = request(&password(), "token server");
        assert!(matches!(result, Err(RegistryError::Protocol { .. })));
    }
}
