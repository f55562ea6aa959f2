//! Any bytes as stanzas: no panic, and each stanza alone is itself again.
#![no_main]

use ctr_forge_source_debootstrap::control::Stanzas;
use ctr_forge_source_debootstrap::licence::licences;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for read in [Stanzas::new, Stanzas::with_comments] {
        for stanza in read(data).map_while(Result::ok) {
            let again = read(stanza.text()).next().expect("a stanza has fields").expect("and is sound");
            assert_eq!(again.text(), stanza.text());
            assert_eq!(again.fields().count(), stanza.fields().count());
            for field in stanza.fields() {
                assert!(stanza.field(field.name()).is_some());
                let lines = field.lines().map(Iterator::count);
                assert!(field.text().is_err() || lines.is_ok());
            }
        }
    }
    assert!(licences(data).is_sorted());
});
