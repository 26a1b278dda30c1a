//! The declared partitions of a Patronus disk.
//!
//! *Does*: read `image/layout.toml`, which the image builder reads too, and recognise a table that carries it.
//! *Never does*: I/O.
//! *Spec*: `image/layout.toml`.

use serde::Deserialize;
use uuid::Uuid;

use super::gpt::Table;

const TEXT: &str = include_str!("../../../image/layout.toml");

/// The roles of partitions, by their names in the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Boot loader and recovery entry.
    Esp,
    /// The slots' boot entries.
    Xbootldr,
    /// Root of slot A.
    RootA,
    /// Root of slot B.
    RootB,
    /// Two alternating records, see `meta`.
    Meta,
    /// All state.
    Data,
}

impl Role {
    /// All of them, in the order of the disk.
    pub const ALL: [Self; 6] = [Self::Esp, Self::Xbootldr, Self::RootA, Self::RootB, Self::Meta, Self::Data];

    fn name(self) -> &'static str {
        match self {
            Self::Esp => "esp",
            Self::Xbootldr => "xbootldr",
            Self::RootA => "root-a",
            Self::RootB => "root-b",
            Self::Meta => "meta",
            Self::Data => "data",
        }
    }
}

/// Where in a table each role stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places([usize; 6]);

impl Places {
    /// Finds every declared partition in `table` by type and name; `None` unless all are there.
    ///
    /// The ids are not compared: a disk whose ids were made unique is still ours.
    #[must_use]
    pub fn in_table(table: &Table) -> Option<Self> {
        let declared = declared()?;
        let mut places = [0; 6];
        for (place, role) in places.iter_mut().zip(Role::ALL) {
            let wanted = declared.iter().find(|partition| partition.name == role.name())?;
            *place =
                table.entries().iter().position(|entry| entry.kind == wanted.kind && entry.name() == wanted.name)?;
        }
        Some(Self(places))
    }

    /// Index of the role's entry in the table; the partition's number is one more.
    #[must_use]
    pub fn index(&self, role: Role) -> usize {
        let [esp, xbootldr, root_a, root_b, meta, data] = self.0;
        match role {
            Role::Esp => esp,
            Role::Xbootldr => xbootldr,
            Role::RootA => root_a,
            Role::RootB => root_b,
            Role::Meta => meta,
            Role::Data => data,
        }
    }
}

struct Declared {
    name: String,
    kind: Uuid,
}

/// The built-in layout; `None` never happens in a build whose tests passed.
fn declared() -> Option<Vec<Declared>> {
    #[derive(Deserialize)]
    struct File {
        partition: Vec<Partition>,
    }
    #[derive(Deserialize)]
    struct Partition {
        name: String,
        r#type: String,
    }
    let file: File = toml::from_str(TEXT).ok()?;
    file.partition
        .into_iter()
        .map(|partition| Some(Declared { kind: Uuid::parse_str(&partition.r#type).ok()?, name: partition.name }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declared_layout_names_every_role() {
        let declared = declared().unwrap();
        for role in Role::ALL {
            assert_eq!(declared.iter().filter(|partition| partition.name == role.name()).count(), 1, "{role:?}");
        }
    }
}
