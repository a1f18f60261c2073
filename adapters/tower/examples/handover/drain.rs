//! Connections, and how they end without a failed request.
//!
//! A client may send its next request on an idle connection at the very moment at which the server closes it. It cannot
//! know whether the server has seen the request, and may not repeat one that changes something. So a server that is
//! told to end does not close idle connections. It answers the next request of each with `Connection: close`, after
//! which the client sends no other:
//!
//! | phase | new connections | connections from before |
//! |---|---|---|
//! | `Serving` | are served | are served |
//! | `Draining` | get one response | get one more response |
//! | `Closing`, after `linger` | get one response | are closed if they are idle |
//! | after all connections from before have ended, or `grace` | wait in the backlog for the successor | are cut off |
//! | `Over`, after `silence` | as above | those of the phases before are closed if no request has come |

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Phase {
    Serving,
    Draining,
    Closing,
    Over,
}

/// For how long a server that is told to end waits.
#[derive(Clone, Copy)]
pub(crate) struct Patience {
    /// For the next request of an idle connection.
    pub(crate) linger: Duration,
    /// For requests in flight.
    pub(crate) grace: Duration,
    /// For the first request of a connection that was accepted last.
    pub(crate) silence: Duration,
}

/// Serves until `stop`, then drains. Calls `not_accepting` when connections begin to wait for the successor.
pub(crate) async fn serve(
    listener: TcpListener,
    app: Router,
    stop: impl Future<Output = ()>,
    patience: Patience,
    not_accepting: impl FnOnce(),
) {
    let (phase, phases) = watch::channel(Phase::Serving);
    let (mut before, mut after) = (JoinSet::new(), JoinSet::new());
    let mut stop = pin!(stop);
    loop {
        tokio::select! {
            stream = accept(&listener) => {
                before.spawn(connection(stream, app.clone(), phases.clone(), Phase::Closing));
            }
            Some(_) = before.join_next() => {}
            () = &mut stop => break,
        }
    }
    let _ = phase.send(Phase::Draining);
    let (mut linger, mut grace) = (pin!(sleep(patience.linger)), pin!(sleep(patience.grace)));
    let mut lingers = true;
    loop {
        tokio::select! {
            stream = accept(&listener) => {
                after.spawn(connection(stream, app.clone(), phases.clone(), Phase::Over));
            }
            ended = before.join_next() => if ended.is_none() { break },
            Some(_) = after.join_next() => {}
            () = &mut linger, if lingers => {
                lingers = false;
                let _ = phase.send(Phase::Closing);
            }
            () = &mut grace => break,
        }
    }
    drop(listener);
    not_accepting();
    let mut answered = pin!(async { while after.join_next().await.is_some() {} });
    if timeout(patience.silence, &mut answered).await.is_err() {
        let _ = phase.send(Phase::Over);
        let _ = timeout(patience.grace, answered).await;
    }
}

/// The next connection. After an error, such as too many open files, tries again a little later.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Serves a connection. In the phase `last` it is closed if it is idle.
async fn connection(stream: TcpStream, app: Router, mut phases: watch::Receiver<Phase>, last: Phase) {
    let _ = stream.set_nodelay(true);
    let phase = phases.clone();
    let answer = service_fn(move |request: Request<Incoming>| {
        let (app, phase) = (app.clone(), phase.clone());
        async move {
            let mut response = app.oneshot(request).await?;
            if *phase.borrow() > Phase::Serving {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    let mut connection = pin!(http.timer(TokioTimer::new()).serve_connection(TokioIo::new(stream), answer));
    tokio::select! {
        _ = connection.as_mut() => return,
        _ = phases.wait_for(|phase| *phase >= last) => {}
    }
    connection.as_mut().graceful_shutdown();
    let _ = connection.await;
}
