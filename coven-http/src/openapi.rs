//! The OpenAPI document, made from the route table.

use coven::Code;
use hyper::Method;
use utoipa::ToSchema;
use utoipa::openapi::path::{
    HttpMethod, Operation, OperationBuilder, ParameterBuilder, ParameterIn,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{
    ArrayBuilder, ComponentsBuilder, ObjectBuilder, OneOfBuilder, SchemaType, Type,
};
use utoipa::openapi::{
    ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Paths, Ref, RefOr, Required,
    ResponseBuilder, Schema,
};

use crate::error;
use crate::route::{Route, TABLE};
use crate::wire::{ErrorBody, VERSION};

/// What there is to say of a route.
pub(crate) struct Doc {
    summary: &'static str,
    query: Vec<Parameter>,
    headers: Vec<Parameter>,
    body: Option<RefOr<Schema>>,
    answers: Vec<Success>,
    errors: &'static [Code],
    schemas: Schemas,
}

struct Parameter {
    name: &'static str,
    description: &'static str,
    kind: Type,
}

struct Success {
    status: u16,
    description: &'static str,
    content: Option<(&'static str, Option<RefOr<Schema>>)>,
}

type Schemas = Vec<(String, RefOr<Schema>)>;

impl Doc {
    pub(crate) fn new(summary: &'static str) -> Self {
        Self {
            summary,
            query: Vec::new(),
            headers: Vec::new(),
            body: None,
            answers: Vec::new(),
            errors: &[],
            schemas: Vec::new(),
        }
    }

    /// A number, text or flag of the query. None is required but by its route's errors.
    pub(crate) fn query(
        mut self,
        name: &'static str,
        kind: Type,
        description: &'static str,
    ) -> Self {
        self.query.push(Parameter {
            name,
            description,
            kind,
        });
        self
    }

    pub(crate) fn header(mut self, name: &'static str, description: &'static str) -> Self {
        self.headers.push(Parameter {
            name,
            description,
            kind: Type::String,
        });
        self
    }

    pub(crate) fn body<T: ToSchema>(mut self) -> Self {
        self.body = Some(self.known::<T>());
        self
    }

    /// An answer with a JSON body.
    pub(crate) fn answer<T: ToSchema>(self, status: u16, description: &'static str) -> Self {
        let mut this = self;
        let schema = this.known::<T>();
        this.raw(
            status,
            description,
            Some(("application/json", Some(schema))),
        )
    }

    /// An answer with a JSON list as its body.
    pub(crate) fn answer_list<T: ToSchema>(self, status: u16, description: &'static str) -> Self {
        let mut this = self;
        let schema = ArrayBuilder::new().items(this.known::<T>()).build();
        let schema = RefOr::T(Schema::Array(schema));
        this.raw(
            status,
            description,
            Some(("application/json", Some(schema))),
        )
    }

    /// An answer whose JSON body is a `T`, or the list of `Item`s alone.
    pub(crate) fn answer_page_or_list<T: ToSchema, Item: ToSchema>(
        mut self,
        status: u16,
        description: &'static str,
    ) -> Self {
        let page = self.known::<T>();
        let list = ArrayBuilder::new().items(self.known::<Item>()).build();
        self.either(status, description, page, RefOr::T(Schema::Array(list)))
    }

    /// An answer whose JSON body is a `T` or an error.
    pub(crate) fn answer_or_error<T: ToSchema>(
        mut self,
        status: u16,
        description: &'static str,
    ) -> Self {
        let answer = self.known::<T>();
        let error = self.known::<ErrorBody>();
        self.either(status, description, answer, error)
    }

    fn either(
        self,
        status: u16,
        description: &'static str,
        one: RefOr<Schema>,
        other: RefOr<Schema>,
    ) -> Self {
        let either = OneOfBuilder::new().item(one).item(other).build();
        let schema = RefOr::T(Schema::OneOf(either));
        self.raw(
            status,
            description,
            Some(("application/json", Some(schema))),
        )
    }

    /// An answer with a body that is not described further.
    pub(crate) fn answer_of(
        self,
        status: u16,
        description: &'static str,
        content_type: &'static str,
    ) -> Self {
        self.raw(status, description, Some((content_type, None)))
    }

    /// An answer with no body.
    pub(crate) fn answer_empty(self, status: u16, description: &'static str) -> Self {
        self.raw(status, description, None)
    }

    /// The errors of its own, beside those that any route may answer.
    pub(crate) fn errors(mut self, errors: &'static [Code]) -> Self {
        self.errors = errors;
        self
    }

    fn raw(
        mut self,
        status: u16,
        description: &'static str,
        content: Option<(&'static str, Option<RefOr<Schema>>)>,
    ) -> Self {
        self.answers.push(Success {
            status,
            description,
            content,
        });
        self
    }

    fn known<T: ToSchema>(&mut self) -> RefOr<Schema> {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        RefOr::Ref(Ref::from_schema_name(T::name()))
    }
}

/// The document.
pub(crate) fn document() -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas: Schemas = Vec::new();
    ErrorBody::schemas(&mut schemas);
    schemas.push((
        ErrorBody::name().into_owned(),
        <ErrorBody as utoipa::PartialSchema>::schema(),
    ));
    for route in &TABLE {
        let doc = (route.doc)();
        let operation = operation(route, &doc);
        schemas.extend(doc.schemas);
        let path = format!("/api/{VERSION}{}", route.path);
        paths.add_path_operation(path, vec![http_method(&route.method)], operation);
    }
    OpenApiBuilder::new()
        .info(
            InfoBuilder::new()
                .title("Coven")
                .version(env!("CARGO_PKG_VERSION"))
                .description(Some(
                    "coven.daemon.v1: coding agents, run and recorded. HTTP/1.1 over the Unix \
                     socket of a Coven home; see docs/http.md.",
                )),
        )
        .paths(paths)
        .components(Some(
            ComponentsBuilder::new().schemas_from_iter(schemas).build(),
        ))
        .build()
}

fn operation(route: &Route, doc: &Doc) -> Operation {
    let mut operation = OperationBuilder::new()
        .operation_id(Some(operation_id(route)))
        .summary(Some(doc.summary));
    if let Some(name) = named_part(route.path) {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(Some(schema_of(Type::String))),
        );
    }
    let query = doc.query.iter().map(|p| (p, ParameterIn::Query));
    let headers = doc.headers.iter().map(|p| (p, ParameterIn::Header));
    for (parameter, place) in query.chain(headers) {
        operation = operation.parameter(
            ParameterBuilder::new()
                .name(parameter.name)
                .parameter_in(place)
                .required(Required::False)
                .description(Some(parameter.description))
                .schema(Some(schema_of(parameter.kind.clone()))),
        );
    }
    if let Some(schema) = &doc.body {
        let content = ContentBuilder::new().schema(Some(schema.clone())).build();
        operation = operation.request_body(Some(
            RequestBodyBuilder::new()
                .content("application/json", content)
                .build(),
        ));
    }
    for success in &doc.answers {
        let mut response = ResponseBuilder::new().description(success.description);
        if let Some((content_type, schema)) = &success.content {
            let content = ContentBuilder::new().schema(schema.clone()).build();
            response = response.content(*content_type, content);
        }
        operation = operation.response(success.status.to_string(), response);
    }
    with_errors(operation, doc.errors).build()
}

/// One answer for each status, with the codes it may carry.
fn with_errors(mut operation: OperationBuilder, errors: &[Code]) -> OperationBuilder {
    let mut by_status = std::collections::BTreeMap::<u16, Vec<&str>>::new();
    // Any route may answer these.
    let always = [Code::InternalError, Code::RuntimeUnavailable];
    for code in errors.iter().chain(&always) {
        let codes = by_status.entry(error::status(*code).as_u16()).or_default();
        codes.push(code.as_str());
    }
    for (status, codes) in by_status {
        let schema = RefOr::Ref(Ref::from_schema_name(ErrorBody::name()));
        let content = ContentBuilder::new()
            .schema::<RefOr<Schema>>(Some(schema))
            .build();
        let response = ResponseBuilder::new()
            .description(codes.join(", "))
            .content("application/json", content);
        operation = operation.response(status.to_string(), response);
    }
    operation
}

/// Such as `post_sessions_id_kill`.
fn operation_id(route: &Route) -> String {
    let path = route
        .path
        .replace(['{', '}', '.'], "")
        .replace(['/', '-'], "_");
    format!("{}{path}", route.method.as_str().to_lowercase())
}

fn named_part(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once('{')?;
    rest.split_once('}').map(|(name, _)| name)
}

fn schema_of(kind: Type) -> RefOr<Schema> {
    let object = ObjectBuilder::new()
        .schema_type(SchemaType::new(kind))
        .build();
    RefOr::T(Schema::Object(object))
}

fn http_method(method: &Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}
