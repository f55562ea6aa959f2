//! Frames: how a worker, or a plugin that is a program, talks to the host.
//!
//! A frame is a header of 12 bytes and a payload, over a Unix stream socket.
//! Integers are little-endian.
//!
//! | bytes | meaning |
//! |---|---|
//! | 0–3 | length of the payload, at most [`MAX_PAYLOAD`] |
//! | 4 | kind, see [`Kind`] |
//! | 5 | descriptors sent with the frame (`SCM_RIGHTS`), at most [`MAX_FILES`] |
//! | 6–7 | 0 |
//! | 8–11 | id of the call that the frame belongs to |
//!
//! Each side numbers its own calls; a result carries the number of the call.
//! Descriptors are attached to the frame's first byte, in the order of their
//! indices. The payload is JSON in UTF-8, but for CANCEL, which has none.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

/// Longest payload, in bytes. Bulk data has no business in a frame: it goes through a descriptor.
pub const MAX_PAYLOAD: usize = 16 << 20;
/// Most descriptors with one frame: below `SCM_MAX_FD` of Linux, which is 253.
pub const MAX_FILES: usize = 250;
/// Length of a frame's header, in bytes.
pub const HEADER: usize = 12;
/// The descriptor on which a plugin that is a program finds its socket.
pub const SOCKET_FD: i32 = 3;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `{"method": …, "params": …}`, in both directions.
    Call = 1,
    /// `{"ok": …}`, `{"error": …}` or `{"unknown-method": …}`: the answer to the call with the same id.
    Result = 2,
    /// What a plugin tells while it works; the id is that of the host's call.
    Event = 3,
    /// The host wants the call with this id to end soon.
    Cancel = 4,
    /// From the host to its own worker, first of all: what to load.
    Start = 16,
}

impl Kind {
    fn from_byte(byte: u8) -> Option<Self> {
        [Kind::Call, Kind::Result, Kind::Event, Kind::Cancel, Kind::Start]
            .into_iter()
            .find(|&kind| kind as u8 == byte)
    }
}

/// A frame that arrived.
#[derive(Debug)]
pub struct Frame {
    /// What it is.
    pub kind: Kind,
    /// The call that it belongs to.
    pub id: u32,
    /// JSON, not yet parsed.
    pub payload: Vec<u8>,
    /// The descriptors that came with it, in order.
    pub files: Vec<OwnedFd>,
}

/// Sends one frame; blocks until the peer has room for it.
///
/// A payload over [`MAX_PAYLOAD`] or more than [`MAX_FILES`] descriptors are
/// `InvalidInput`, before anything is sent.
pub fn send(
    socket: impl AsFd,
    kind: Kind,
    id: u32,
    payload: &[u8],
    files: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let header = header(kind, id, payload.len(), files.len())?;
    let mut sent = 0;
    while sent < HEADER + payload.len() {
        let (head, body) = (&header[sent.min(HEADER)..], &payload[sent.saturating_sub(HEADER)..]);
        let files = if sent == 0 { files } else { &[] };
        sent += send_some(&socket, head, body, files, SendFlags::empty())?;
    }
    Ok(())
}

/// Frames on their way out, for whoever must not block: a peer that does not
/// read would otherwise keep its host from noticing anything else.
#[derive(Debug, Default)]
pub struct Outbox(VecDeque<Outgoing>);

#[derive(Debug)]
struct Outgoing {
    header: [u8; HEADER],
    payload: Vec<u8>,
    files: Vec<OwnedFd>,
    sent: usize,
}

impl Outbox {
    /// Adds a frame at the end. The limits are those of [`send`].
    pub fn push(&mut self, kind: Kind, id: u32, payload: Vec<u8>, files: Vec<OwnedFd>) -> io::Result<()> {
        let header = header(kind, id, payload.len(), files.len())?;
        self.0.push_back(Outgoing { header, payload, files, sent: 0 });
        Ok(())
    }

    /// Sends as much as the peer has room for now.
    pub fn flush_now(&mut self, socket: impl AsFd) -> io::Result<()> {
        while let Some(frame) = self.0.front_mut() {
            let head = &frame.header[frame.sent.min(HEADER)..];
            let body = &frame.payload[frame.sent.saturating_sub(HEADER)..];
            let files: Vec<_> = match frame.sent {
                0 => frame.files.iter().map(AsFd::as_fd).collect(),
                _ => Vec::new(),
            };
            match send_some(&socket, head, body, &files, SendFlags::DONTWAIT) {
                Ok(count) => frame.sent += count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            if frame.sent == HEADER + frame.payload.len() {
                self.0.pop_front();
            }
        }
        Ok(())
    }

    /// Bytes of the frames that are not sent whole yet, and as much again for
    /// each frame and file as it costs to keep it.
    pub fn cost(&self) -> usize {
        self.0.iter().map(|frame| frame.payload.len() + 1024 * (1 + frame.files.len())).sum()
    }

    /// Whether all is sent.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn header(kind: Kind, id: u32, length: usize, files: usize) -> io::Result<[u8; HEADER]> {
    if length > MAX_PAYLOAD {
        let message = format!("a message of {length} bytes is over the limit of {MAX_PAYLOAD}");
        return Err(io::Error::new(ErrorKind::InvalidInput, message));
    }
    if files > MAX_FILES {
        let message = format!("{files} files in one message are over the limit of {MAX_FILES}");
        return Err(io::Error::new(ErrorKind::InvalidInput, message));
    }
    let mut header = [0; HEADER];
    header[..4].copy_from_slice(&(length as u32).to_le_bytes());
    header[4] = kind as u8;
    header[5] = files as u8;
    header[8..].copy_from_slice(&id.to_le_bytes());
    Ok(header)
}

fn send_some(
    socket: impl AsFd,
    head: &[u8],
    body: &[u8],
    files: &[BorrowedFd<'_>],
    flags: SendFlags,
) -> io::Result<usize> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !files.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(files));
    }
    let parts = [IoSlice::new(head), IoSlice::new(body)];
    loop {
        // NOSIGNAL: a peer that is gone is an error to report, not a reason to die.
        match sendmsg(&socket, &parts, &mut control, flags | SendFlags::NOSIGNAL) {
            Err(Errno::INTR) => continue,
            result => return Ok(result?),
        }
    }
}

/// Puts frames together from whatever pieces arrive.
///
/// Bounded: it holds no more than one payload and what one read brought beyond it.
#[derive(Debug, Default)]
pub struct Receiver {
    bytes: Vec<u8>,
    /// How much of `bytes` has been taken.
    taken: usize,
    files: VecDeque<OwnedFd>,
    ended: bool,
}

impl Receiver {
    /// A receiver that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The next frame, waiting for it; `None` when the peer has closed the socket.
    pub fn receive(&mut self, socket: impl AsFd) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            if self.ended {
                return Ok(None);
            }
            self.fill(&socket, RecvFlags::empty())?;
        }
    }

    /// Reads what is there without waiting. Frames are then to be [taken](Self::take).
    pub fn fill_now(&mut self, socket: impl AsFd) -> io::Result<()> {
        self.fill(socket, RecvFlags::DONTWAIT)
    }

    /// Whether the peer has closed the socket.
    pub fn ended(&self) -> bool {
        self.ended
    }

    /// The next frame, if all of it has arrived.
    pub fn take(&mut self) -> io::Result<Option<Frame>> {
        let rest = &self.bytes[self.taken..];
        let Some(header) = rest.first_chunk::<HEADER>() else {
            return self.incomplete();
        };
        let (length, kind, count, id) = parse_header(header)?;
        let Some(payload) = rest.get(HEADER..HEADER + length).map(<[u8]>::to_vec) else {
            return self.incomplete();
        };
        if self.files.len() < count {
            return Err(invalid("fewer files arrived than a message announced"));
        }
        self.taken += HEADER + length;
        Ok(Some(Frame { kind, id, payload, files: self.files.drain(..count).collect() }))
    }

    fn incomplete(&self) -> io::Result<Option<Frame>> {
        if self.ended && self.taken < self.bytes.len() {
            return Err(io::Error::new(ErrorKind::UnexpectedEof, "the connection ended inside a message"));
        }
        Ok(None)
    }

    fn fill(&mut self, socket: impl AsFd, flags: RecvFlags) -> io::Result<()> {
        let mut buffer = [0; 64 << 10];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = flags | RecvFlags::CMSG_CLOEXEC;
        let received = match recvmsg(socket, &mut [IoSliceMut::new(&mut buffer)], &mut control, flags) {
            Ok(received) => received.bytes,
            Err(Errno::INTR | Errno::AGAIN) => return Ok(()),
            // A peer that died with unread data resets the connection; for us that is its end.
            Err(Errno::CONNRESET) => 0,
            Err(error) => return Err(error.into()),
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(files) = message {
                self.files.extend(files);
            }
        }
        if self.files.len() > 2 * MAX_FILES {
            return Err(invalid("more files arrived than any message announced"));
        }
        self.ended = received == 0;
        self.bytes.drain(..std::mem::take(&mut self.taken));
        self.bytes.extend_from_slice(&buffer[..received]);
        Ok(())
    }
}

fn parse_header(header: &[u8; HEADER]) -> io::Result<(usize, Kind, usize, u32)> {
    let [l0, l1, l2, l3, kind, files, r0, r1, i0, i1, i2, i3] = *header;
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    if length > MAX_PAYLOAD {
        return Err(invalid(&format!("a message of {length} bytes is over the limit of {MAX_PAYLOAD}")));
    }
    let kind = Kind::from_byte(kind).ok_or_else(|| invalid(&format!("unknown kind of message {kind}")))?;
    if (r0, r1) != (0, 0) || usize::from(files) > MAX_FILES {
        return Err(invalid("what arrived is not a message"));
    }
    Ok((length, kind, files.into(), u32::from_le_bytes([i0, i1, i2, i3])))
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{Read, Seek, Write};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn frames_and_files_arrive_in_order() {
        let (here, there) = UnixStream::pair().unwrap();
        let (read, mut write) = std::io::pipe().unwrap();
        let sender = std::thread::spawn(move || {
            send(&here, Kind::Event, 1, b"first", &[]).unwrap();
            send(&here, Kind::Call, 2, &vec![b'x'; 3 << 20], &[read.as_fd()]).unwrap();
            send(&here, Kind::Cancel, 3, b"", &[]).unwrap();
        });
        write.write_all(b"through the pipe").unwrap();
        drop(write);
        let mut receiver = Receiver::new();
        let mut next = || receiver.receive(&there).unwrap();
        let first = next().unwrap();
        assert_eq!((first.kind, first.id, first.payload.as_slice()), (Kind::Event, 1, b"first".as_slice()));
        let mut second = next().unwrap();
        assert_eq!((second.id, second.payload.len(), second.files.len()), (2, 3 << 20, 1));
        let mut text = String::new();
        File::from(second.files.remove(0)).read_to_string(&mut text).unwrap();
        assert_eq!(text, "through the pipe");
        assert_eq!(next().unwrap().kind, Kind::Cancel);
        sender.join().unwrap();
        assert!(next().is_none(), "the peer closed");
    }

    #[test]
    fn what_is_not_a_frame_is_refused() {
        let bad: [&[u8]; 4] = [
            b"HTTP/1.1 200 OK\r\n",
            &[0, 0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0],
        ];
        for bytes in bad {
            let (mut here, there) = UnixStream::pair().unwrap();
            here.write_all(bytes).unwrap();
            let error = Receiver::new().receive(&there).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{bytes:?}");
        }
    }

    #[test]
    fn an_end_inside_a_frame_is_an_error() {
        let (mut here, there) = UnixStream::pair().unwrap();
        here.write_all(&[9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, b'x']).unwrap();
        drop(here);
        let error = Receiver::new().receive(&there).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    }

    #[test]
    fn a_peer_that_does_not_read_blocks_nobody() {
        let (here, there) = UnixStream::pair().unwrap();
        let (read, _write) = std::io::pipe().unwrap();
        let mut outbox = Outbox::default();
        for id in 0..3 {
            outbox.push(Kind::Call, id, vec![b'x'; 1 << 20], vec![read.try_clone().unwrap().into()]).unwrap();
        }
        outbox.flush_now(&here).unwrap();
        assert!(outbox.cost() > 3 << 20, "the socket cannot hold a whole one");
        let mut receiver = Receiver::new();
        let mut arrived = Vec::new();
        while arrived.len() < 3 {
            outbox.flush_now(&here).unwrap();
            receiver.fill_now(&there).unwrap();
            arrived.extend(receiver.take().unwrap());
        }
        assert!(outbox.is_empty());
        for (index, frame) in arrived.iter().enumerate() {
            assert_eq!((frame.id as usize, frame.payload.len(), frame.files.len()), (index, 1 << 20, 1));
        }
    }

    #[test]
    fn too_much_is_refused_before_it_is_sent() {
        let (here, _there) = UnixStream::pair().unwrap();
        let error = send(&here, Kind::Event, 0, &vec![0; MAX_PAYLOAD + 1], &[]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let mut file = tempfile_in_memory();
        file.rewind().unwrap();
        let many = vec![file.as_fd(); MAX_FILES + 1];
        assert_eq!(send(&here, Kind::Call, 0, b"", &many).unwrap_err().kind(), ErrorKind::InvalidInput);
        assert!(send(&here, Kind::Call, 0, b"", &many[..MAX_FILES]).is_ok());
    }

    fn tempfile_in_memory() -> File {
        rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap().into()
    }
}
