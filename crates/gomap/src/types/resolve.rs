//! From the syntax of a type to its layout.
//!
//! What a pointer, slice, channel, function or map leads to has no part in a value's layout, so names
//! there need not be known.

use std::sync::Arc;

use super::error::{SourceText, TypeError, TypeFault};
use super::names::{Definition, TypeNames};
use super::parse::Parser;
use super::syntax::{Constant, ConstantKind, TypeKind, TypeSyntax};
use super::{GoType, StructField};

/// The largest type (`types.MaxWidth`).
const MAX_SIZE: u64 = 1 << 50;
/// Named types within named types.
const MAX_DEPTH: usize = 64;
/// Types that are looked at for one.
const MAX_PARTS: u32 = 10_000;

/// A map type.
#[derive(Debug, Clone, PartialEq)]
pub struct WrittenMapType {
    /// The type of its keys.
    pub key: GoType,
    /// The type of its elems.
    pub elem: GoType,
    /// As `reflect` prints it: `map[string]struct {}`.
    pub spelling: String,
}

/// Reads a map type as Go writes it: `map[K]V`, or the name of one. `names` knows the types that are
/// declared somewhere.
///
/// ```
/// use tophash_gomap::{StandardTypes, parse_map_type};
///
/// let map = parse_map_type("map[string]struct{ at time.Time; n [1<<2]byte }", &StandardTypes::of(27))?;
/// assert_eq!((map.key.size(), map.elem.size()), (16, 32));
/// assert_eq!(map.spelling, "map[string]struct { at time.Time; n [4]uint8 }");
/// # Ok::<(), tophash_gomap::TypeError>(())
/// ```
///
/// # Errors
///
/// Fails where the text is no map type, keys can't be compared, or a name is not known that the
/// layout depends on. The error says where.
pub fn parse_map_type(text: &str, names: &dyn TypeNames) -> Result<WrittenMapType, TypeError> {
    let source = Arc::new(SourceText { file: None, text: text.to_owned() });
    let mut parser = Parser::new(source.clone(), 0);
    let syntax = parser.ty()?;
    parser.cursor.skip(true);
    if !parser.cursor.is_at_end() {
        return Err(parser.cursor.fault(TypeFault::TrailingText));
    }
    let scope = Scope { text: source, package: None, arguments: Vec::new() };
    let mut resolver = Resolver { names, path: Vec::new(), parts: 0 };
    let spelling = resolver.spell(&syntax, &scope)?;
    resolver.map(&syntax, &scope, spelling)
}

/// Where names of a syntax tree are looked up.
#[derive(Clone)]
pub(super) struct Scope {
    text: Arc<SourceText>,
    pub(super) package: Option<String>,
    arguments: Vec<(String, Argument)>,
}

/// A type argument.
#[derive(Clone)]
pub(super) struct Argument {
    ty: Option<GoType>,
    pub(super) spelling: String,
}

impl Scope {
    pub(super) fn fault(&self, at: usize, fault: TypeFault) -> TypeError {
        TypeError { fault, source_text: self.text.clone(), at }
    }

    pub(super) fn argument(&self, name: &str) -> Option<&Argument> {
        self.arguments.iter().find(|(parameter, _)| parameter == name).map(|(_, ty)| ty)
    }
}

pub(super) struct Resolver<'n> {
    pub(super) names: &'n dyn TypeNames,
    /// Names of the types that are being resolved.
    pub(super) path: Vec<String>,
    parts: u32,
}

/// A declaration that was found, read, and the scope of its type.
pub(super) struct Declared {
    pub(super) syntax: TypeSyntax,
    pub(super) scope: Scope,
    spelling: Option<String>,
}

pub(super) enum Found {
    Type(GoType),
    Declared(Box<Declared>),
}

impl Resolver<'_> {
    pub(super) fn count(&mut self, at: usize, scope: &Scope) -> Result<(), TypeError> {
        self.parts += 1;
        match self.parts > MAX_PARTS || self.path.len() > MAX_DEPTH {
            true => Err(scope.fault(at, TypeFault::TooComplex)),
            false => Ok(()),
        }
    }

    /// Resolves a map type that stands at the top.
    fn map(
        &mut self,
        syntax: &TypeSyntax,
        scope: &Scope,
        spelling: String,
    ) -> Result<WrittenMapType, TypeError> {
        self.count(syntax.at, scope)?;
        match &syntax.kind {
            TypeKind::Map(key, elem) => {
                let key_type = self.key(key, scope)?;
                Ok(WrittenMapType { key: key_type, elem: self.ty(elem, scope)?, spelling })
            }
            TypeKind::Name { package, name, arguments } => {
                match self.find(syntax.at, package.as_deref(), name, arguments, scope)? {
                    Some(Found::Declared(declared)) => {
                        self.path.push(name.clone());
                        self.map(&declared.syntax, &declared.scope, spelling)
                    }
                    _ => Err(scope.fault(syntax.at, TypeFault::NotAMap { found: spelling })),
                }
            }
            _ => Err(scope.fault(syntax.at, TypeFault::NotAMap { found: spelling })),
        }
    }

    /// Resolves the type of a map's keys.
    fn key(&mut self, syntax: &TypeSyntax, scope: &Scope) -> Result<GoType, TypeError> {
        let ty = self.ty(syntax, scope)?;
        match incomparable_part(&ty) {
            None => Ok(ty),
            Some(part) => {
                let (key, part) = (self.spell(syntax, scope)?, part.to_owned());
                Err(scope.fault(syntax.at, TypeFault::NotComparable { key, part }))
            }
        }
    }

    /// Resolves a type whose layout matters.
    fn ty(&mut self, syntax: &TypeSyntax, scope: &Scope) -> Result<GoType, TypeError> {
        self.count(syntax.at, scope)?;
        let ty = match &syntax.kind {
            TypeKind::Pointer(_) | TypeKind::Chan(..) => GoType::Pointer,
            TypeKind::Slice(_) => GoType::Slice,
            TypeKind::Func(_) => GoType::Reference,
            TypeKind::Map(key, _) => {
                // Only that its keys can be compared is of interest, if it can be told.
                match self.key(key, scope) {
                    Err(error) if !matches!(error.fault, TypeFault::UnknownType { .. }) => {
                        return Err(error);
                    }
                    _ => GoType::Reference,
                }
            }
            TypeKind::Interface { methods, embedded } => {
                let mut has_methods = !methods.is_empty();
                for inner in embedded {
                    match self.ty(inner, scope)? {
                        GoType::Interface { has_methods: inner } => has_methods |= inner,
                        _ => return Err(scope.fault(inner.at, TypeFault::Constraint)),
                    }
                }
                GoType::Interface { has_methods }
            }
            TypeKind::Array(len, elem) => {
                let count = self.constant(len, scope, 0, 0)?;
                let count = u64::try_from(count)
                    .map_err(|_| scope.fault(len.at, TypeFault::NegativeLength { len: count }))?;
                GoType::Array(count, Arc::new(self.ty(elem, scope)?))
            }
            TypeKind::Struct(fields) => {
                let mut resolved = Vec::new();
                for field in fields {
                    let ty = self.ty(&field.ty, scope)?;
                    if field.names.is_empty() {
                        let name = embedded_name(&field.ty.kind).into();
                        resolved.push(StructField { name, ty });
                        continue;
                    }
                    self.parts += field.names.len() as u32 * parts_of(&ty);
                    self.count(field.ty.at, scope)?;
                    for name in &field.names {
                        resolved.push(StructField { name: name.as_str().into(), ty: ty.clone() });
                    }
                }
                GoType::Struct(resolved.into())
            }
            TypeKind::Name { package, name, arguments } => {
                self.named(syntax.at, package.as_deref(), name, arguments, scope)?
            }
        };
        match ty.size() > MAX_SIZE {
            true => {
                let name = self.spell(syntax, scope)?;
                Err(scope.fault(syntax.at, TypeFault::TooLarge { name }))
            }
            false => Ok(ty),
        }
    }

    fn named(
        &mut self,
        at: usize,
        package: Option<&str>,
        name: &str,
        arguments: &[TypeSyntax],
        scope: &Scope,
    ) -> Result<GoType, TypeError> {
        let unknown = || {
            let name = package.map_or_else(|| name.to_owned(), |p| format!("{p}.{name}"));
            scope.fault(at, TypeFault::UnknownType { name })
        };
        if let (None, Some(argument)) = (package, scope.argument(name)) {
            self.parts += argument.ty.as_ref().map_or(0, parts_of);
            return argument.ty.clone().ok_or_else(unknown);
        }
        match self.find(at, package, name, arguments, scope)? {
            Some(Found::Type(ty)) => {
                self.parts += parts_of(&ty);
                Ok(ty)
            }
            Some(Found::Declared(declared)) => {
                let key = match &declared.spelling {
                    Some(spelling) => spelling.clone(),
                    None => format!("{}.{name}", declared.scope.package.as_deref().unwrap_or("")),
                };
                if self.path.contains(&key) {
                    return Err(scope.fault(at, TypeFault::Recursive { name: key }));
                }
                self.path.push(key);
                let ty = self.ty(&declared.syntax, &declared.scope)?;
                self.path.pop();
                Ok(ty)
            }
            None => Err(unknown()),
        }
    }

    /// Finds what a name stands for; nothing where nobody knows it.
    pub(super) fn find(
        &mut self,
        at: usize,
        package: Option<&str>,
        name: &str,
        arguments: &[TypeSyntax],
        scope: &Scope,
    ) -> Result<Option<Found>, TypeError> {
        let looked_in = package.or(scope.package.as_deref());
        let mut found = None;
        if !arguments.is_empty() {
            // A program knows instances, and not the generic type.
            let instance = format!("{name}[{}]", self.spell_list(arguments, scope)?);
            found = self.names.find(looked_in, &instance);
        }
        let found = found.or_else(|| self.names.find(looked_in, name));
        let full = || package.map_or_else(|| name.to_owned(), |p| format!("{p}.{name}"));
        Ok(match found {
            Some(Definition::Type { ty, .. }) => Some(Found::Type(ty)),
            Some(Definition::Ambiguous) => {
                return Err(scope.fault(at, TypeFault::Ambiguous { name: full() }));
            }
            Some(Definition::Opaque) => {
                return Err(scope.fault(at, TypeFault::Opaque { name: full() }));
            }
            Some(Definition::Source { text, at: start, parameters, spelling, package }) => {
                if parameters.len() != arguments.len() {
                    let (wanted, got) = (parameters.len(), arguments.len());
                    let name = full();
                    return Err(scope.fault(at, TypeFault::Arguments { name, wanted, got }));
                }
                let mut bound = Vec::new();
                for (parameter, argument) in parameters.iter().zip(arguments) {
                    let spelling = self.spell(argument, scope)?;
                    // An argument that only pointers lead to need not be known.
                    let ty = match self.ty(argument, scope) {
                        Ok(ty) => Some(ty),
                        Err(error) if matches!(error.fault, TypeFault::UnknownType { .. }) => None,
                        Err(error) if matches!(error.fault, TypeFault::Recursive { .. }) => None,
                        Err(error) => return Err(error),
                    };
                    bound.push((parameter.clone(), Argument { ty, spelling }));
                }
                let list: Vec<_> = bound.iter().map(|(_, ty)| ty.spelling.as_str()).collect();
                let spelling = match (spelling, list.is_empty()) {
                    (Some(name), false) => Some(format!("{name}[{}]", list.join(","))),
                    (spelling, _) => spelling,
                };
                let syntax = Parser::new(text.clone(), start).ty()?;
                let scope = Scope { text, package: Some(package), arguments: bound };
                Some(Found::Declared(Box::new(Declared { syntax, scope, spelling })))
            }
            None if package.is_none() => match predeclared(name) {
                Some(Predeclared::Type(ty, _)) => Some(Found::Type(ty)),
                Some(Predeclared::Constraint) => {
                    let name = name.to_owned();
                    return Err(scope.fault(at, TypeFault::NotAValueType { name }));
                }
                None => None,
            },
            None if package == Some("unsafe") && name == "Pointer" => {
                Some(Found::Type(GoType::Pointer))
            }
            None => None,
        })
    }

    /// Computes a constant expression.
    pub(super) fn constant(
        &mut self,
        constant: &Constant,
        scope: &Scope,
        iota: i128,
        depth: u32,
    ) -> Result<i128, TypeError> {
        self.count(constant.at, scope)?;
        let no_value = || scope.fault(constant.at, TypeFault::NoValue);
        if depth > 500 {
            return Err(scope.fault(constant.at, TypeFault::TooComplex));
        }
        let value = match &constant.kind {
            ConstantKind::Number(value) => *value,
            ConstantKind::Unary(sign, inner) => {
                let value = self.constant(inner, scope, iota, depth + 1)?;
                match sign {
                    b'-' => value.checked_neg().ok_or_else(no_value)?,
                    b'^' => !value,
                    _ => value,
                }
            }
            ConstantKind::Binary(operator, left, right) => {
                let left = self.constant(left, scope, iota, depth + 1)?;
                let right = self.constant(right, scope, iota, depth + 1)?;
                operator.apply(left, right).ok_or_else(no_value)?
            }
            ConstantKind::Name { package: None, name } if name == "iota" => iota,
            ConstantKind::Name { package, name } => {
                let unknown = || {
                    let name = name.clone();
                    scope.fault(constant.at, TypeFault::UnknownConstant { name })
                };
                let package = package.as_deref().or(scope.package.as_deref());
                let found = self.names.constant(package, name).ok_or_else(unknown)?;
                let key = format!("const {}.{name}", found.package);
                if self.path.contains(&key) {
                    return Err(unknown());
                }
                let expression = Parser::new(found.text.clone(), found.at).constant();
                let expression = expression.map_err(|_| unknown())?;
                let inner =
                    Scope { text: found.text, package: Some(found.package), arguments: Vec::new() };
                self.path.push(key);
                let value = self.constant(&expression, &inner, found.iota, depth + 1)?;
                self.path.pop();
                value
            }
        };
        match i64::try_from(value) {
            Ok(_) => Ok(value),
            // Of parts, larger values are fine as long as the whole fits.
            Err(_) if depth > 0 => Ok(value),
            Err(_) => Err(no_value()),
        }
    }
}

pub(super) enum Predeclared {
    Type(GoType, &'static str),
    Constraint,
}

pub(super) fn predeclared(name: &str) -> Option<Predeclared> {
    let (ty, spelling) = match name {
        "bool" => (GoType::Integer(1), "bool"),
        "int8" => (GoType::Integer(1), "int8"),
        "uint8" | "byte" => (GoType::Integer(1), "uint8"),
        "int16" => (GoType::Integer(2), "int16"),
        "uint16" => (GoType::Integer(2), "uint16"),
        "int32" | "rune" => (GoType::Integer(4), "int32"),
        "uint32" => (GoType::Integer(4), "uint32"),
        "int64" => (GoType::Integer(8), "int64"),
        "uint64" => (GoType::Integer(8), "uint64"),
        "int" => (GoType::Integer(8), "int"),
        "uint" => (GoType::Integer(8), "uint"),
        "uintptr" => (GoType::Integer(8), "uintptr"),
        "float32" => (GoType::Float(4), "float32"),
        "float64" => (GoType::Float(8), "float64"),
        "complex64" => (GoType::Complex(8), "complex64"),
        "complex128" => (GoType::Complex(16), "complex128"),
        "string" => (GoType::String, "string"),
        "any" => (GoType::Interface { has_methods: false }, "interface {}"),
        "error" => (GoType::Interface { has_methods: true }, "error"),
        "comparable" => return Some(Predeclared::Constraint),
        _ => return None,
    };
    Some(Predeclared::Type(ty, spelling))
}

/// The part of a type that can't be compared.
fn incomparable_part(ty: &GoType) -> Option<&'static str> {
    match ty {
        GoType::Reference => Some("a map or function"),
        GoType::Slice => Some("a slice"),
        GoType::Array(_, elem) => incomparable_part(elem),
        GoType::Struct(fields) => fields.iter().find_map(|field| incomparable_part(&field.ty)),
        _ => None,
    }
}

fn embedded_name(kind: &TypeKind) -> &str {
    match kind {
        TypeKind::Name { name, .. } => name,
        TypeKind::Pointer(to) => embedded_name(&to.kind),
        _ => "_",
    }
}

/// How many types a type consists of, so that copies count.
fn parts_of(ty: &GoType) -> u32 {
    match ty {
        GoType::Array(_, elem) => parts_of(elem).saturating_add(1),
        GoType::Struct(fields) => {
            fields.iter().fold(1, |sum: u32, field| sum.saturating_add(parts_of(&field.ty)))
        }
        _ => 1,
    }
}
