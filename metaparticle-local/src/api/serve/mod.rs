//! Requests of clients: from HTTP to the store and back.

mod answer;
mod delete;
mod discovery;
mod empty;
mod list;
mod openapi;
mod options;
mod query;
mod read;
mod route;
mod scale;
mod selector;
mod subresource;
mod watch;
mod write;

use std::convert::Infallible;

use bytes::Bytes;
use futures::stream;
use http::{Method, Request, Response};
use http_body::Body as _;
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};

use super::{
    Api,
    failure::Failure,
    fault::{Asked, Effect, Link},
};
use answer::Form;
use query::Query;
use route::{Route, Target};

/// The longest body of a request.
const MOST_BYTES: usize = 3 * 1024 * 1024;

/// The longest path in the log of requests.
const LOGGED: usize = 1024;

/// Marks what stands for an answer where there is none: the connection broke.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost;

/// The body of an answer: text that is complete, or a stream that goes on.
pub type Body = UnsyncBoxBody<Bytes, Infallible>;

/// A request for a resource, taken apart.
#[derive(Debug)]
struct Call<'a> {
    api: &'a Api,
    target: Target,
    query: Query,
    form: Form,
    request: Request<Bytes>,
}

impl Api {
    /// Answers one request of `client`, as over HTTP: a body of more than 3 MiB is refused. Port-forward is not for here: it needs the connection.
    ///
    /// # Cancel safety
    /// Dropped before it ends, the request was either done or not done, never half.
    pub async fn call(&self, client: &str, request: Request<Bytes>) -> Response<Body> {
        let route = route::route(&request);
        let query = Query::of(request.uri());
        let asked = asked(self, client, &request, &route, &query);
        let number = self.faults.asked(asked.clone());
        let is_head = request.method() == Method::HEAD;
        let mut link = self.faults.link(client);
        if let Some(delay) = self.faults.delay().filter(|_| !link.is_cut()) {
            tokio::time::sleep(delay).await;
        }
        if link.is_cut() {
            // The request is lost: even when the network is whole again, nobody answers it.
            link.healed().await;
            let mut lost = Response::default();
            lost.extensions_mut().insert(Lost);
            return lost;
        }
        let mut answer = match self.faults.effect(&asked) {
            None => answered(self.dispatch(request, route, query)),
            Some(Effect::Refuse(failure, retry_after)) => {
                let mut answer = answer::failure(&failure);
                if let Some(wait) = retry_after {
                    answer
                        .headers_mut()
                        .insert(http::header::RETRY_AFTER, wait.as_secs().into());
                }
                answer
            }
            Some(Effect::Hang) => std::future::pending().await,
            Some(Effect::LoseAnswer) => {
                drop(self.dispatch(request, route, query));
                std::future::pending().await
            }
        };
        if is_head {
            *answer.body_mut() = Body::default();
        }
        self.faults.answered(number, answer.status().as_u16());
        if answer.body().size_hint().exact().is_none() {
            return answer.map(|body| linked(body, link));
        }
        answer
    }

    fn dispatch(
        &self,
        request: Request<Bytes>,
        route: Result<Route, Failure>,
        query: Query,
    ) -> Result<Response<Body>, Failure> {
        match route? {
            Route::Text(text) => Ok(answer::text(text)),
            Route::NoPath => Ok(answer::no_path()),
            Route::Discovery(what) => discovery::answer(&what, &request),
            Route::OpenApi(path) => openapi::answer(&path),
            Route::Resource(target) => {
                let (form, is_yaml) = answer::form(request.headers(), &query)?;
                let call = Call {
                    api: self,
                    query,
                    form,
                    target,
                    request,
                };
                let mut answer = call.run()?;
                if is_yaml {
                    answer::as_yaml(&mut answer);
                }
                Ok(answer)
            }
        }
    }
}

impl Call<'_> {
    fn run(&self) -> Result<Response<Body>, Failure> {
        let target = &self.target;
        if self.request.body().len() > MOST_BYTES {
            return Err(Failure::too_large(format!("limit is {MOST_BYTES}")));
        }
        self.check_write_options()?;
        if target.subresource.is_some() {
            return self.subresource();
        }
        let method = self.request.method();
        match (method, &target.name) {
            (&Method::GET, _) if self.query.flag("watch") => self.watch(),
            (&Method::GET, _) if target.watch => self.watch(),
            (&Method::GET, None) => self.list(),
            (&Method::GET, Some(name)) => self.read(name),
            (&Method::POST, None) if target.is_complete() => self.create(),
            (&Method::DELETE, None)
                if target.is_complete() && target.resource.is_deleted_as_collection() =>
            {
                self.delete_all()
            }
            (&Method::PUT, Some(name)) => self.replace(name),
            (&Method::PATCH, Some(name)) => self.patch(name),
            (&Method::DELETE, Some(name)) => self.delete(name),
            _ => Err(Failure::method_not_allowed()),
        }
    }
}

/// A body that goes on only as long as its client can be reached.
fn linked(body: Body, link: Link) -> Body {
    let frames = stream::unfold((body, link), |(mut body, mut link)| async move {
        tokio::select! {
            biased;
            () = link.cut() => {
                link.healed().await;
                None
            }
            frame = body.frame() => Some((frame?, (body, link))),
        }
    });
    StreamBody::new(frames).boxed_unsync()
}

fn answered(result: Result<Response<Body>, Failure>) -> Response<Body> {
    result.unwrap_or_else(|failure| answer::failure(&failure))
}

fn asked(
    api: &Api,
    client: &str,
    request: &Request<Bytes>,
    route: &Result<Route, Failure>,
    query: &Query,
) -> Asked {
    let target = match route {
        Ok(Route::Resource(target)) => Some(target),
        _ => None,
    };
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let named = target.is_some_and(|target| target.name.is_some());
    let verb = match *request.method() {
        Method::GET if query.flag("watch") => "watch",
        Method::GET if target.is_some_and(|target| target.watch) => "watch",
        Method::GET if target.is_some() && !named => "list",
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if named => "delete",
        Method::DELETE => "deletecollection",
        _ => "get",
    };
    Asked {
        client: client.to_owned(),
        verb,
        resource: text(target.map(|target| target.resource.plural)),
        name: text(target.and_then(|target| target.name.as_deref())),
        path: request
            .uri()
            .path_and_query()
            .map(|it| it.as_str().chars().take(LOGGED).collect())
            .unwrap_or_default(),
        at: api.clock.elapsed(),
        status: 0,
    }
}
