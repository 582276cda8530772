//! A small server of the tests on a port and a thread of its own.

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};

/// Starts a server on a free port of this machine; stopping the handle ends it. Returns the port, too.
pub fn start_local_server(configure: impl Fn(&mut ServiceConfig) + Clone + Send + 'static) -> (ServerHandle, u16) {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        actix_web::rt::System::new().block_on(async move {
            let server = HttpServer::new(move || App::new().configure(configure.clone()));
            let server = server.workers(1).disable_signals().shutdown_timeout(0).bind(("127.0.0.1", 0)).unwrap();
            let port = server.addrs()[0].port();
            let server = server.run();
            sender.send((server.handle(), port)).unwrap();
            server.await.unwrap();
        });
    });
    receiver.recv().unwrap()
}
