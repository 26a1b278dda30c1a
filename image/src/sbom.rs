//! The bill of materials: what is in the image, under which licence, from where.
//!
//! *Does*: writes SPDX 2.3 JSON from the list of crates, the kernel pin and the loader pin.
//! *Never does*: list what was only used to build.
//! *Spec*: SPDX 2.3, clauses 6, 7 and 11.

use serde::Serialize;
use serde_json::{Value, json};
use uuid::Uuid;

/// One thing in the image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Component {
    /// Its name at its source.
    pub name: String,
    /// Its exact version.
    pub version: String,
    /// SPDX expression, or `NOASSERTION`.
    pub license: String,
    /// Package URL (purl), which says where it comes from.
    pub purl: String,
    /// SHA-256 of what was fetched, where a pin states it.
    pub sha256_hex: Option<String>,
}

/// The document for an image of `version`, built from sources of `created` (RFC 3339, UTC).
#[must_use]
pub fn document(version: &str, created: &str, root_hash_hex: &str, components: &[Component]) -> Value {
    let mut sorted = components.to_vec();
    sorted.sort();
    sorted.dedup();
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, root_hash_hex.as_bytes());
    let packages: Vec<Value> =
        std::iter::once(image(version, root_hash_hex)).chain(sorted.iter().map(package)).collect();
    let contained = sorted.iter().map(|component| relation("SPDXRef-image", "CONTAINS", &reference(component)));
    let described = relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-image");
    json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": format!("patronus-{version}"),
        "documentNamespace": format!("urn:uuid:{id}"),
        "creationInfo": { "created": created, "creators": [format!("Tool: patronus-xtask-{version}")] },
        "packages": packages,
        "relationships": std::iter::once(described).chain(contained).collect::<Vec<_>>(),
    })
}

fn image(version: &str, root_hash_hex: &str) -> Value {
    json!({
        "SPDXID": "SPDXRef-image",
        "name": "patronus",
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "MIT OR Apache-2.0",
        "copyrightText": "NOASSERTION",
        "comment": format!("dm-verity root hash {root_hash_hex}"),
    })
}

fn package(component: &Component) -> Value {
    let mut package = json!({
        "SPDXID": reference(component),
        "name": component.name,
        "versionInfo": component.version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": false,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": component.license,
        "copyrightText": "NOASSERTION",
        "externalRefs": [{
            "referenceCategory": "PACKAGE-MANAGER",
            "referenceType": "purl",
            "referenceLocator": component.purl,
        }],
    });
    if let (Some(sum), Some(fields)) = (&component.sha256_hex, package.as_object_mut()) {
        fields.insert("checksums".to_owned(), json!([{ "algorithm": "SHA256", "checksumValue": sum }]));
    }
    package
}

fn relation(from: &str, kind: &str, to: &str) -> Value {
    json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to })
}

/// SPDX ids allow letters, digits, `.` and `-`.
fn reference(component: &Component) -> String {
    let plain = |character: char| if character.is_ascii_alphanumeric() || character == '.' { character } else { '-' };
    let name: String = component.name.chars().map(plain).collect();
    let version: String = component.version.chars().map(plain).collect();
    format!("SPDXRef-{name}-{version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn component(name: &str) -> Component {
        Component {
            name: name.to_owned(),
            version: "1.0+x".to_owned(),
            license: "MIT".to_owned(),
            purl: format!("pkg:cargo/{name}@1.0"),
            sha256_hex: Some("00".to_owned()),
        }
    }

    #[test]
    fn the_same_components_in_any_order_give_the_same_document() {
        let (a, b) = (component("a"), component("b"));
        let one = document("0.1.0", "2026-01-01T00:00:00Z", "ab", &[a.clone(), b.clone()]);
        let two = document("0.1.0", "2026-01-01T00:00:00Z", "ab", &[b, a.clone(), a]);
        assert_eq!(one, two);
    }

    #[test]
    fn every_component_is_listed_once_and_related_to_the_image() {
        let document = document("0.1.0", "2026-01-01T00:00:00Z", "ab", &[component("a_b")]);
        assert_eq!(document["packages"][1]["SPDXID"], "SPDXRef-a-b-1.0-x");
        assert_eq!(document["relationships"][1]["relatedSpdxElement"], "SPDXRef-a-b-1.0-x");
    }
}
