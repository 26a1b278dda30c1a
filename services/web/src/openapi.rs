//! The OpenAPI document, made from the route table.
//!
//! *Does*: list every route under `/api/` with its body, its way to sign in and its answers.
//! *Spec*: OpenAPI 3.1.

use serde_json::{Map, Value, json};

use crate::{
    routes::{BodyKind, ROUTES, Route},
    session::Identity,
};

/// The document.
#[must_use]
pub fn document(version: &str) -> Value {
    let mut paths = Map::new();
    for route in ROUTES.iter().filter(|route| route.path.starts_with("/api/")) {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Some(path) = path.as_object_mut() {
            path.insert(route.method.to_ascii_lowercase(), operation(route));
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Patronus", "version": version, "description": "The API of one Patronus router. See docs/api.md." },
        "paths": paths,
        "components": {
            "securitySchemes": { "bearer": { "type": "http", "scheme": "bearer" } },
            "schemas": { "Error": {
                "type": "object",
                "required": ["error"],
                "properties": { "error": {
                    "type": "object",
                    "required": ["code", "message"],
                    "properties": { "code": { "type": "string" }, "message": { "type": "string" } }
                } }
            } }
        }
    })
}

fn operation(route: &Route) -> Value {
    let error = json!({
        "description": "What is wrong and what to do",
        "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Error" } } }
    });
    let mut operation = json!({
        "summary": route.summary,
        "operationId": format!("{:?}", route.handler),
        "responses": { "200": { "description": "Done" }, "default": error }
    });
    let content_type = match route.body {
        BodyKind::Json => Some("application/json"),
        BodyKind::Toml => Some("application/toml"),
        BodyKind::Nothing | BodyKind::Form => None,
    };
    if let Some(fields) = operation.as_object_mut() {
        if let Some(content_type) = content_type {
            fields.insert("requestBody".to_owned(), json!({ "required": true, "content": { content_type: {} } }));
        }
        if route.who != Identity::Anyone {
            fields.insert("security".to_owned(), json!([{ "bearer": [] }]));
        }
    }
    operation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_api_route_is_described_once() {
        let document = document("0.1.0");
        let described: usize =
            document["paths"].as_object().unwrap().values().map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(described, ROUTES.iter().filter(|route| route.path.starts_with("/api/")).count());
    }
}
