//! A proxy in front of the service that cuts one connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::service_process::ServiceProcess;

/// Forwards connections to the service and cuts the one that carries byte number `breaks_after`; later ones are whole.
pub struct BreakingProxy {
    pub address: String,
    pub carried: Arc<AtomicUsize>,
}

impl BreakingProxy {
    pub fn start(service: &ServiceProcess, breaks_after: usize) -> Self {
        let (target, carried) = (service.url.trim_start_matches("http://").to_owned(), Arc::new(AtomicUsize::new(0)));
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let line = Self { address: format!("http://{}", listener.local_addr().unwrap()), carried: carried.clone() };
        std::thread::spawn(move || {
            for from in listener.incoming().map_while(Result::ok) {
                let (to, carried) = (TcpStream::connect(&target).unwrap(), carried.clone());
                let (mut back_from, mut back_to) = (to.try_clone().unwrap(), from.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
                std::thread::spawn(move || forward_bytes(from, to, &carried, breaks_after));
            }
        });
        line
    }
}

fn forward_bytes(mut from: TcpStream, mut to: TcpStream, carried: &AtomicUsize, breaks_after: usize) {
    let mut piece = vec![0; 1 << 16];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        let before = carried.fetch_add(read, Ordering::Relaxed);
        if (before..before + read).contains(&breaks_after) || to.write_all(&piece[..read]).is_err() {
            break;
        }
    }
    let _ = (from.shutdown(std::net::Shutdown::Both), to.shutdown(std::net::Shutdown::Both));
}
