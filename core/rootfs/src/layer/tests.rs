//! Layers in and out: same bytes however made, and every way to fail.

use std::io::Read;
use std::sync::mpsc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::Decoder;

const MIB: usize = 1 << 20;

fn options(compression: Compression, threads: usize) -> LayerOptions {
    LayerOptions { compression, level: None, threads: NonZeroUsize::new(threads).unwrap() }
}

/// Compressible, but not the same everywhere.
fn sample(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i / 7 % 251) as u8 ^ (i >> 13) as u8).collect()
}

fn layer(data: &[u8], options: &LayerOptions) -> (Layer, Vec<u8>) {
    write_layer(Vec::new(), options, |out| out.write_all(data)).unwrap()
}

#[test]
fn lengths_around_chunk_borders() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let data = sample(4 * MIB + 1);
        for len in [0, 1, MIB - 1, MIB, MIB + 1, 4 * MIB, 4 * MIB + 1] {
            let data = &data[..len];
            let (layer, blob) = layer(data, &options(compression, 2));
            assert_eq!(layer.diff_id, Digest::of(data), "{compression} {len}");
            assert_eq!(layer.diff_size, len as u64);
            assert_eq!(layer.digest, Digest::of(&blob), "{compression} {len}");
            assert_eq!(layer.size, blob.len() as u64);
            assert_eq!(Compression::from_magic(&blob), compression);
            let mut decoded = Vec::new();
            Decoder::new(&blob[..]).unwrap().read_to_end(&mut decoded).unwrap();
            assert!(decoded == data, "{compression} {len}");
        }
    }
}

#[test]
fn gzip_is_one_member() {
    let data = sample(3 * MIB + 5);
    let (_, blob) = layer(&data, &options(Compression::Gzip, 2));
    let mut member = flate2::bufread::GzDecoder::new(&blob[..]);
    let mut decoded = Vec::new();
    member.read_to_end(&mut decoded).unwrap();
    assert!(decoded == data);
    assert!(member.into_inner().is_empty(), "nothing follows the first member");
}

#[test]
fn same_bytes_with_any_number_of_threads() {
    let data = sample(5 * MIB + 12345);
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let one = layer(&data, &options(compression, 1));
        for threads in [2, 4] {
            assert!(layer(&data, &options(compression, threads)) == one, "{compression} {threads}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]
    #[test]
    fn same_bytes_however_written(
        pieces in prop::collection::vec(prop_oneof![0..3usize, 1000..700_000usize], 0..10),
        threads in 1..4usize,
    ) {
        let data = sample(pieces.iter().sum());
        let whole = layer(&data, &options(Compression::Gzip, 1));
        let split = write_layer(Vec::new(), &options(Compression::Gzip, threads), |out| {
            let mut rest = &data[..];
            for &len in &pieces {
                let (piece, behind) = rest.split_at(len);
                rest = behind;
                out.write_all(piece)?;
                out.flush()?;
            }
            io::Result::Ok(())
        });
        prop_assert!(split.unwrap() == whole);
    }
}

#[test]
fn level_changes_the_bytes_and_the_epoch() {
    let data = sample(MIB);
    let fast = LayerOptions { level: Some(2), ..options(Compression::Gzip, 1) };
    let default = options(Compression::Gzip, 1);
    assert_ne!(layer(&data, &fast).1, layer(&data, &default).1);
    assert_ne!(fast.epoch(), default.epoch());
    assert_eq!(options(Compression::None, 1).epoch().unwrap(), "none");
    assert!(options(Compression::Xz, 1).epoch().is_err());
}

#[test]
fn error_of_fill_is_returned() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        for len in [0, 10, 9 * MIB] {
            let mut blob = Vec::new();
            let result = write_layer(&mut blob, &options(compression, 2), |out| {
                io::copy(&mut io::repeat(7).take(len as u64), out).unwrap();
                Err(io::Error::other("no more entries"))
            });
            assert!(matches!(result, Err(LayerError::Fill(e)) if e.to_string() == "no more entries"));
            if compression == Compression::Gzip {
                let mut decoder = Decoder::new(&blob[..]).unwrap();
                assert!(io::copy(&mut decoder, &mut io::sink()).is_err(), "the blob is not complete");
            }
        }
    }
}

/// A disk with so many bytes left.
struct Disk(usize);

impl Write for Disk {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        match self.0.min(data.len()) {
            0 if !data.is_empty() => Err(io::ErrorKind::StorageFull.into()),
            len => {
                self.0 -= len;
                Ok(len)
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn full_disk_is_the_cause_returned() {
    let (done, wait) = mpsc::channel();
    std::thread::spawn(move || {
        let noise: Vec<u8> =
            (0..2 * MIB as u64).map(|i| (i.wrapping_mul(i).wrapping_mul(0x9e37_79b9) >> 23) as u8).collect();
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let (complete, _) = layer(&noise.repeat(3), &options(compression, 2));
            let size = complete.size as usize;
            for space in [0, 5, 10, size / 3, size / 2, size - 5, size - 1] {
                let result = write_layer(Disk(space), &options(compression, 2), |out| {
                    (0..3).try_for_each(|_| out.write_all(&noise))
                });
                match result {
                    Err(LayerError::Blob(error)) => assert_eq!(error.kind(), io::ErrorKind::StorageFull),
                    other => panic!("{compression}, {space} bytes: {:?}", other.map(|(layer, _)| layer)),
                }
            }
        }
        done.send(()).unwrap();
    });
    wait.recv_timeout(Duration::from_secs(60)).expect("no deadlock, no panic");
}

#[test]
fn a_fill_that_ignores_errors_does_not_hide_them() {
    let result = write_layer(Disk(100), &options(Compression::None, 1), |out| {
        for _ in 0..20 {
            let _ = out.write_all(&[1; MIB]);
        }
        io::Result::Ok(())
    });
    assert!(matches!(result, Err(LayerError::Blob(_))));
}

/// Writes `data` upon a layer that is known; returns the blob, or that it is the known one.
fn upon(
    data: &[u8],
    pieces: &Pieces,
    blob: &[u8],
    options: &LayerOptions,
) -> Result<Option<Vec<u8>>, LayerError<io::Error>> {
    let open = || {
        let mut file = tempfile::tempfile()?;
        file.write_all(blob)?;
        io::Seek::rewind(&mut file)?;
        Ok(file)
    };
    let known = Known { pieces, open: Box::new(open) };
    match write_layer_upon(Vec::new(), options, Some(known), |out| out.write_all(data))? {
        Written::Same(same) => {
            assert_eq!((same.diff_id, same.digest), (Digest::of(data), Digest::of(blob)));
            Ok(None)
        }
        Written::New { layer, blob, pieces } => {
            assert_eq!((layer.diff_id, layer.digest), (Digest::of(data), Digest::of(&blob)));
            assert_eq!(Pieces::from_bytes(&pieces.unwrap().to_bytes()).unwrap().size, layer.size);
            Ok(Some(blob))
        }
    }
}

#[test]
fn upon_a_known_layer_the_bytes_are_the_same() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let options = options(compression, 2);
        let chunk = if compression == Compression::Gzip { MIB } else { 4 * MIB };
        let data = sample(3 * chunk + 5);
        let written = write_layer_upon(Vec::new(), &options, None, |out| out.write_all(&data));
        let Ok(Written::New { blob, pieces: Some(pieces), .. }) = written else { panic!("a new layer") };
        assert_eq!(upon(&data, &pieces, &blob, &options).unwrap(), None, "{compression}");
        let mut changed = data.clone();
        changed[2 * chunk + 1] ^= 1;
        let longer = [&data[..], b"more"].concat();
        let other = sample(7);
        for other in [&changed[..], &longer, &data[..2 * chunk], &data[..chunk + 1], &other, b""] {
            let fresh = layer(other, &options).1;
            assert_eq!(
                upon(other, &pieces, &blob, &options).unwrap(),
                Some(fresh),
                "{compression} {}",
                other.len()
            );
        }
        // One that is shorter than it should be is no good, and told from other failures.
        let broken = upon(&changed, &pieces, &blob[..10], &options);
        assert!(matches!(broken, Err(LayerError::Known(_))), "{broken:?}");
    }
}
