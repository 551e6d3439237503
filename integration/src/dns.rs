//! A name server that knows no names, so that no test asks the outside.

use std::{
    net::{SocketAddr, UdpSocket},
    thread,
};

/// Answers every question with NXDOMAIN, as long as the process lives.
#[derive(Debug)]
pub struct NoNames(SocketAddr);

impl NoNames {
    /// Starts it.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port for the name server");
        let address = socket.local_addr().expect("its address");
        thread::spawn(move || answer(&socket));
        Self(address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.0
    }
}

fn answer(socket: &UdpSocket) {
    let mut question = [0; 512];
    while let Ok((length, client)) = socket.recv_from(&mut question) {
        let mut reply: Vec<u8> = question.iter().take(length).copied().collect();
        if let Some(flags) = reply.get_mut(2..4) {
            // A response, recursion available, name error.
            flags.copy_from_slice(&[0x81, 0x83]);
        }
        if let Some(counts) = reply.get_mut(6..12) {
            // The question is repeated; answers, authority and additional records are none.
            counts.fill(0);
        }
        // An additional record of the question (EDNS) must not follow.
        let end = question_end(&reply);
        reply.truncate(end);
        let _ = socket.send_to(&reply, client);
    }
}

fn question_end(message: &[u8]) -> usize {
    let mut at = 12;
    while let Some(&length) = message.get(at) {
        at += usize::from(length) + 1;
        if length == 0 {
            break;
        }
    }
    at + 4
}
