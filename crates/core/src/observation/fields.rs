//! Named values, as `INFO`, `CLUSTER INFO` and `CONFIG GET` give them.

use std::cmp::Ordering;
use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names and values, sorted by name; the first value of a name counts.
///
/// One text with all of them, each as `name:value`, and a sorted list of where they are: a thousand
/// nodes with a hundred fields each stay small, and reading them is two allocations a node.
#[derive(Clone, Default)]
pub struct Fields {
    text: String,
    entries: Vec<Entry>,
}

/// Room made in front, so that the text of most does not grow: nothing a peer says makes it more.
const FIELDS_EXPECTED: usize = 64;
const FIELD_BYTES_EXPECTED: usize = 24;

/// Where in the text a name begins, and its value, one byte behind the name, begins and ends.
#[derive(Clone, Copy)]
struct Entry {
    name: u32,
    value: u32,
    end: u32,
}

impl Fields {
    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        let at = self.find(name).ok()?;
        Some(self.pair(self.entries.get(at)?).1)
    }

    /// The value of a name as a whole number, if it is one.
    pub fn number(&self, name: &str) -> Option<u64> {
        self.get(name)?.parse().ok()
    }

    /// The value of a name as a number with a sign, if it is one.
    pub fn signed(&self, name: &str) -> Option<i64> {
        self.get(name)?.parse().ok()
    }

    /// Whether the value of a name is exactly this. False when the name is missing.
    pub fn is(&self, name: &str, value: &str) -> bool {
        self.get(name) == Some(value)
    }

    /// Whether there is no field.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// All, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.entries.iter().map(|entry| self.pair(entry))
    }

    /// Those whose name begins so.
    pub fn starting_with<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        let from = self.entries.partition_point(|entry| self.name(entry) < prefix.as_bytes());
        self.entries
            .iter()
            .skip(from)
            .map(|entry| self.pair(entry))
            .take_while(move |(name, _)| name.starts_with(prefix))
    }

    /// Puts a value in the place of another, or adds it.
    pub fn set(&mut self, name: &str, value: &str) {
        let at = self.find(name);
        // A text that no number of 32 bits measures does not grow.
        let Some(entry) = self.append(name, value) else { return };
        match at {
            Ok(at) => self.entries[at] = entry,
            Err(at) => self.entries.insert(at, entry),
        }
    }

    fn find(&self, name: &str) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| self.name(entry).cmp(name.as_bytes()))
    }

    fn name(&self, entry: &Entry) -> &[u8] {
        let (from, to) = (entry.name as usize, entry.value.saturating_sub(1) as usize);
        self.text.as_bytes().get(from..to).unwrap_or_default()
    }

    fn pair(&self, entry: &Entry) -> (&str, &str) {
        let part = |from: u32, to: u32| self.text.get(from as usize..to as usize);
        let name = part(entry.name, entry.value.saturating_sub(1)).unwrap_or_default();
        (name, part(entry.value, entry.end).unwrap_or_default())
    }

    fn append(&mut self, name: &str, value: &str) -> Option<Entry> {
        let from = self.text.len();
        let end = u32::try_from(from + name.len() + 1 + value.len()).ok()?;
        self.text.push_str(name);
        self.text.push(':');
        self.text.push_str(value);
        let entry = Entry {
            name: u32::try_from(from).ok()?,
            value: u32::try_from(from + name.len() + 1).ok()?,
            end,
        };
        Some(entry)
    }

    /// Lines of `name:value`, at most so many. Headings (`#`), blank lines and lines without a
    /// colon are passed over.
    pub(crate) fn of_lines(text: String, most: usize) -> Self {
        let mut entries = Vec::with_capacity(text.len() / FIELD_BYTES_EXPECTED);
        let mut at = 0;
        while entries.len() < most && at < text.len() {
            let rest = text.as_bytes().get(at..).unwrap_or_default();
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            let line = rest.get(..length).unwrap_or_default();
            entries.extend(entry_of(line, at));
            at += length + 1;
        }
        Self { text, entries: Vec::new() }.with(entries)
    }

    /// Sorts the entries in.
    fn with(mut self, mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| self.by_name(a, b));
        entries.dedup_by(|later, first| self.by_name(later, first).is_eq());
        entries.shrink_to_fit();
        self.entries = entries;
        self
    }

    fn by_name(&self, a: &Entry, b: &Entry) -> Ordering {
        self.name(a).cmp(self.name(b))
    }
}

/// The entry of a line of `name:value` that begins there.
fn entry_of(line: &[u8], at: usize) -> Option<Entry> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let colon =
        memchr::memchr(b':', line).filter(|colon| *colon > 0 && line.first() != Some(&b'#'))?;
    Some(Entry {
        name: u32::try_from(at).ok()?,
        value: u32::try_from(at + colon + 1).ok()?,
        end: u32::try_from(at + line.len()).ok()?,
    })
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Fields {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs = pairs.into_iter();
        let many = pairs.size_hint().1.unwrap_or(0).min(FIELDS_EXPECTED);
        let text = String::with_capacity(many * FIELD_BYTES_EXPECTED);
        let mut fields = Self { text, ..Self::default() };
        let mut entries: Vec<Entry> = Vec::with_capacity(many);
        entries
            .extend(pairs.map_while(|(name, value)| fields.append(name.as_ref(), value.as_ref())));
        fields.text.shrink_to_fit();
        fields.with(entries)
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.entries.len()))?;
        for (name, value) in self.iter() {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Fields;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("names with texts")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut pairs: Vec<(String, String)> = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs.into_iter().collect())
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Fields {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Fields".into()
    }
    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object", "additionalProperties": { "type": "string" } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_name_counts() {
        let fields: Fields = [("b", "1"), ("a", "2"), ("b", "3")].into_iter().collect();
        assert_eq!(fields.number("b"), Some(1));
        assert_eq!(fields.get("c"), None);
        assert_eq!(fields.starting_with("b").count(), 1);
    }
}
