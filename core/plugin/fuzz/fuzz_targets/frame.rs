//! Any bytes from the other side of the socket: no panic, no frame over the
//! limits, and the same frames however the bytes are cut into pieces.
#![no_main]

use std::io::Write;
use std::os::unix::net::UnixStream;

use ctr_forge_plugin::frame::{MAX_PAYLOAD, Receiver};
use libfuzzer_sys::fuzz_target;

/// Bytes that a socket takes without anybody reading.
const LIMIT: usize = 32 << 10;

/// Kind, id and payload of each frame, and whether the bytes ended well.
type Frames = (Vec<(u8, u32, Vec<u8>)>, bool);

/// Receives the bytes, `piece` of them at a time.
fn receive(data: &[u8], piece: usize) -> Frames {
    let (mut here, there) = UnixStream::pair().expect("a pair of sockets");
    let mut receiver = Receiver::new();
    let mut frames = Vec::new();
    let mut pieces = data.chunks(piece);
    let mut open = Some(&mut here);
    loop {
        match receiver.take() {
            Ok(Some(frame)) => {
                assert!(frame.payload.len() <= MAX_PAYLOAD && frame.files.is_empty());
                frames.push((frame.kind as u8, frame.id, frame.payload));
                continue;
            }
            Ok(None) if receiver.ended() => return (frames, true),
            Ok(None) => {}
            Err(_) => return (frames, false),
        }
        match (pieces.next(), open.as_mut()) {
            (Some(piece), Some(socket)) => socket.write_all(piece).expect("room in the socket"),
            _ => {
                if let Some(socket) = open.take() {
                    socket.shutdown(std::net::Shutdown::Write).expect("an open socket");
                }
            }
        }
        receiver.fill_now(&there).expect("a socket that can be read");
    }
}

fuzz_target!(|data: &[u8]| {
    let data = &data[..data.len().min(LIMIT)];
    assert_eq!(receive(data, LIMIT), receive(data, 7));
});
