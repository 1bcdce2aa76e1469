//! Middleware around every request: token, limit on concurrent requests, log line.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::SemaphorePermit;
use tokio::time::timeout_at;

use crate::answer::{Arrival, Served};
use crate::app::App;
use crate::body::drop_body;
use crate::problem::{Problem, ProblemKind, RouteProtocol};

/// Paths without a token: probes and static pages.
const OPEN: [&str; 5] = ["/livez", "/health", "/", "/docs", "/api-doc/openapi.json"];

/// Logged status of an abandoned request, nginx's `client closed request`.
const ABANDONED: u16 = 499;

pub(crate) async fn front(
    State(app): State<Arc<App>>,
    mut request: Request,
    next: Next,
) -> Response {
    let begin = Instant::now();
    let path = request.uri().path().to_owned();
    let line = RequestLog {
        app: &app,
        method: request.method().clone(),
        path: &path,
        begin,
        is_written: false,
    };
    let deadline = begin + app.config.timeouts.request;
    request.extensions_mut().insert(Arrival { begin, deadline });
    let mut response = match enter(&app, &request) {
        Ok(permit) => {
            let response = next.run(request).await;
            drop(permit);
            response
        }
        Err(problem) => {
            // Bounded by the deadline.
            let body = drop_body(&app, request);
            let _ = timeout_at(deadline.into(), body).await;
            problem.into_response()
        }
    };
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        app.metrics.failed(problem.error_type());
        let mut answer = problem.response(RouteProtocol::of(&path));
        // Keeps the `Allow` header of a 405 response.
        if let Some(allow) = response.headers().get(axum::http::header::ALLOW) {
            let allow = allow.clone();
            answer
                .headers_mut()
                .insert(axum::http::header::ALLOW, allow);
        }
        response = answer;
    }
    line.write(&response);
    response
}

/// Checks the token and the number of concurrent requests.
fn enter<'a>(app: &'a App, request: &Request) -> Result<Option<SemaphorePermit<'a>>, Problem> {
    let is_open = request.method() == Method::GET && OPEN.contains(&request.uri().path());
    if let Some(key) = &app.key
        && !is_open
        && !key.opens(request.headers())
    {
        let message = "missing or wrong token, expected the header `Authorization: Bearer TOKEN`";
        return Err(Problem::new(ProblemKind::Unauthorized, message));
    }
    if request.method() != Method::POST {
        return Ok(None);
    }
    match app.requests.try_acquire() {
        Ok(permit) => Ok(Some(permit)),
        Err(_) => {
            let most = app.config.limits.requests;
            let message =
                format!("the server is busy: it already processes {most} requests, its limit");
            let (_, words) = app.queue.waiting();
            let seconds = app.pace.seconds(words);
            Err(Problem::new(ProblemKind::Overloaded, message).retry_after(seconds))
        }
    }
}

/// A request's log line. If the client disconnects, it is written when the request's future is dropped.
struct RequestLog<'a> {
    app: &'a App,
    method: Method,
    path: &'a str,
    begin: Instant,
    is_written: bool,
}

impl RequestLog<'_> {
    fn write(mut self, response: &Response) {
        self.is_written = true;
        let served = response.extensions().get::<Served>().copied();
        self.log(response.status().as_u16(), served);
    }

    fn log(&self, status: u16, served: Option<Served>) {
        let milliseconds = self.begin.elapsed().as_secs_f64() * 1e3;
        let (method, path) = (&self.method, crate::app::excerpt(self.path));
        match served {
            Some(Served { inputs, words }) => tracing::info!(
                "{method} {path} {status} {milliseconds:.1} ms, {inputs} texts, {words} words"
            ),
            None => tracing::info!("{method} {path} {status} {milliseconds:.1} ms"),
        }
    }
}

impl Drop for RequestLog<'_> {
    fn drop(&mut self) {
        if self.is_written {
            return;
        }
        if std::thread::panicking() {
            self.log(StatusCode::INTERNAL_SERVER_ERROR.as_u16(), None);
        } else {
            self.app.metrics.abandoned();
            self.log(ABANDONED, None);
        }
    }
}
