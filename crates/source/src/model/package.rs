//! The declarations of a package, over all its files, whatever their build tags say.

use std::collections::{HashMap, HashSet};

use tophash_typecheck::ast::{
    Decl, Declaration, Expression, FuncDecl, StructType, TypeSpec, VarSpec,
};

use super::place::Place;
use super::ty::{Shape, Ty};
use tophash_typecheck::SourceFile;

/// Named types that lead to named types are followed this far: code that does not compile can have them
/// in a circle.
const MAX_STEPS: usize = 16;

/// A type is asked for what it embeds up to so many types.
const MAX_EMBEDDED: usize = 32;

/// A variable of the package.
pub(crate) struct Variable<'a> {
    pub(crate) file: usize,
    pub(crate) at: usize,
    pub(crate) ty: Option<&'a Expression>,
    pub(crate) value: Option<&'a Expression>,
}

/// A function or method.
pub(crate) struct Function<'a> {
    pub(crate) decl: &'a FuncDecl,
    /// The receiver's variable and type, for a method.
    pub(crate) receiver: Option<(&'a str, &'a str)>,
}

impl<'a> Function<'a> {
    pub(crate) fn name(&self) -> &'a str {
        &self.decl.name.name
    }

    /// Spells it with its receiver.
    pub(crate) fn spell(&self) -> String {
        match self.receiver {
            Some((_, ty)) => format!("{ty}.{}", self.name()),
            None => self.name().to_owned(),
        }
    }
}

/// What a package declares.
pub(crate) struct Package<'a> {
    pub(crate) files: &'a [SourceFile],
    /// For each file, the names of packages that it imports, and their paths.
    imports: Vec<HashMap<&'a str, &'a str>>,
    pub(crate) types: HashMap<&'a str, (usize, &'a TypeSpec)>,
    pub(crate) variables: HashMap<&'a str, Variable<'a>>,
    pub(crate) functions: Vec<Function<'a>>,
    by_name: HashMap<&'a str, usize>,
    methods: HashMap<(&'a str, &'a str), usize>,
    constants: HashSet<&'a str>,
    /// Constants that are `false`: what they guard is not compiled.
    switched_off: HashSet<&'a str>,
    /// Types that constants are declared of.
    enumerations: HashSet<&'a str>,
}

/// A field that was found in a type, perhaps through types that it embeds.
pub(crate) struct FoundField<'a> {
    pub(crate) owner: &'a str,
    pub(crate) ty: Ty<'a>,
}

impl<'a> Package<'a> {
    pub(crate) fn new(files: &'a [SourceFile]) -> Self {
        let mut package = Self {
            files,
            imports: Vec::with_capacity(files.len()),
            types: HashMap::new(),
            variables: HashMap::new(),
            functions: Vec::new(),
            by_name: HashMap::new(),
            methods: HashMap::new(),
            constants: HashSet::new(),
            switched_off: HashSet::new(),
            enumerations: HashSet::new(),
        };
        for (number, file) in files.iter().enumerate() {
            package.imports.push(imports(file));
            for declaration in &file.ast.decl {
                package.declare(number, declaration);
            }
        }
        package
    }

    fn declare(&mut self, file: usize, declaration: &'a Declaration) {
        match declaration {
            Declaration::Function(decl) => self.declare_function(decl),
            Declaration::Type(types) => {
                for spec in &types.specs {
                    self.types.entry(&spec.name.name).or_insert((file, spec));
                }
            }
            Declaration::Const(constants) => {
                let mut ty = None;
                for spec in &constants.specs {
                    // A constant without a value repeats the line before it, type included.
                    if !spec.values.is_empty() || spec.typ.is_some() {
                        ty = spec.typ.as_ref();
                    }
                    if let Some(Expression::Ident(ident)) = ty {
                        self.enumerations.insert(&ident.name);
                    }
                    if let ([name], [Expression::Ident(value)]) =
                        (spec.name.as_slice(), spec.values.as_slice())
                        && value.name == "false"
                    {
                        self.switched_off.insert(&name.name);
                    }
                    self.constants.extend(spec.name.iter().map(|name| name.name.as_str()));
                }
            }
            Declaration::Variable(variables) => self.declare_variables(file, variables),
        }
    }

    fn declare_function(&mut self, decl: &'a FuncDecl) {
        let number = self.functions.len();
        let receiver = decl.recv.as_ref().and_then(|list| list.list.first()).map(|field| {
            let name = field.name.first().map_or("_", |name| name.name.as_str());
            (name, named(&Ty::Written(&field.typ)).unwrap_or("?"))
        });
        match receiver {
            Some((_, ty)) => self.methods.entry((ty, &decl.name.name)).or_insert(number),
            None => self.by_name.entry(&decl.name.name).or_insert(number),
        };
        self.functions.push(Function { decl, receiver });
    }

    fn declare_variables(&mut self, file: usize, variables: &'a Decl<VarSpec>) {
        for spec in &variables.specs {
            for (number, name) in spec.name.iter().enumerate() {
                let value = (spec.values.len() == spec.name.len())
                    .then(|| spec.values.get(number))
                    .flatten();
                let variable = Variable { file, at: name.pos, ty: spec.typ.as_ref(), value };
                self.variables.entry(&name.name).or_insert(variable);
            }
        }
    }

    /// Returns the path of a package that a file imports by this name.
    pub(crate) fn import(&self, file: usize, name: &str) -> Option<&'a str> {
        self.imports.get(file)?.get(name).copied()
    }

    /// Whether any file imports such a package.
    pub(crate) fn imports_any(&self, is_such: impl Fn(&str) -> bool) -> bool {
        self.imports.iter().flat_map(HashMap::values).any(|path| is_such(path))
    }

    /// Whether a file is there for tests, although it is not named so.
    pub(crate) fn is_for_tests(&self, file: usize) -> bool {
        let imports_testing = self.imports.get(file).is_some_and(|imports| {
            imports.values().any(|path| *path == "testing" || path.starts_with("testing/"))
        });
        let is_named_so = self.files.get(file).is_some_and(|file| {
            let name = file.path.rsplit('/').next().unwrap_or_default();
            name == "testing.go"
                || ["mock", "fake", "test_"].iter().any(|start| name.starts_with(start))
        });
        imports_testing || is_named_so
    }

    pub(crate) fn function(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    pub(crate) fn is_constant(&self, name: &str) -> bool {
        self.constants.contains(name) || matches!(name, "true" | "false" | "nil" | "iota")
    }

    /// Whether a constant is `false` in all files that declare it.
    pub(crate) fn is_switched_off(&self, name: &str) -> bool {
        self.switched_off.contains(name)
    }

    /// Whether a type has constants: there are no more values than these.
    pub(crate) fn is_enumeration(&self, ty: &str) -> bool {
        self.enumerations.contains(ty)
    }

    /// Finds a method, also through types that the type embeds.
    pub(crate) fn method(&self, ty: &'a str, name: &str) -> Option<usize> {
        self.through_embedded(ty, |ty| self.methods.get(&(ty, name)).copied())
    }

    /// Asks a type and those that it embeds, the nearest first, each once.
    fn through_embedded<T>(&self, ty: &'a str, ask: impl Fn(&'a str) -> Option<T>) -> Option<T> {
        let mut asked = vec![ty];
        let mut at = 0;
        while let Some(&ty) = asked.get(at) {
            if let Some(found) = ask(ty) {
                return Some(found);
            }
            at += 1;
            let Some(structure) = self.structure(&Ty::Name(ty)) else { continue };
            for inner in embedded(structure) {
                if asked.len() < MAX_EMBEDDED
                    && let Some(name) = named(&inner)
                    && !asked.contains(&name)
                {
                    asked.push(name);
                }
            }
        }
        None
    }

    pub(crate) fn has_method(&self, ty: &'a str, name: &str) -> bool {
        self.methods.contains_key(&(ty, name))
    }

    /// Returns the shape of a type whose name has been looked through.
    pub(crate) fn underlying(&self, ty: &Ty<'a>) -> Shape<'a> {
        let mut shape = ty.shape();
        for _ in 0..MAX_STEPS {
            match shape {
                Shape::Name(name) => match self.types.get(name) {
                    Some((_, spec)) => shape = Ty::Written(&spec.typ).shape(),
                    None => return basic(name),
                },
                other => return other,
            }
        }
        Shape::Unknown
    }

    /// Returns the structure of a type, or of what it points to.
    pub(crate) fn structure(&self, ty: &Ty<'a>) -> Option<&'a StructType> {
        match self.underlying(ty) {
            Shape::Struct(structure) => Some(structure),
            Shape::Pointer(to) => match self.underlying(&to) {
                Shape::Struct(structure) => Some(structure),
                _ => None,
            },
            _ => None,
        }
    }

    /// Finds a field of a named type, also through types that it embeds.
    pub(crate) fn field(&self, ty: &'a str, name: &str) -> Option<FoundField<'a>> {
        self.through_embedded(ty, |owner| {
            let ty = field_of(self.structure(&Ty::Name(owner))?, name)?;
            Some(FoundField { owner, ty })
        })
    }

    /// Whether the type is a map, or `sync.Map`, or points to one.
    pub(crate) fn map_kind(&self, ty: &Ty<'a>) -> Option<MapKind<'a>> {
        match self.underlying(ty) {
            Shape::Map(key, value) => Some(MapKind::Plain(key, value)),
            Shape::Foreign("sync", "Map") => Some(MapKind::Sync),
            Shape::Pointer(to) => match self.underlying(&to) {
                Shape::Foreign("sync", "Map") => Some(MapKind::Sync),
                Shape::Map(key, value) => Some(MapKind::Plain(key, value)),
                _ => None,
            },
            _ => None,
        }
    }

    /// Returns the field by which a type embeds `sync.Map`.
    pub(crate) fn embeds_sync_map(&self, ty: &'a str) -> Option<Place<'a>> {
        let structure = self.structure(&Ty::Name(ty))?;
        let found = embedded(structure).any(|inner| match inner.shape() {
            Shape::Foreign("sync", "Map") => true,
            Shape::Pointer(to) => matches!(to.shape(), Shape::Foreign("sync", "Map")),
            _ => false,
        });
        found.then(|| Place::new(super::place::Root::Type(ty)).field("Map"))
    }
}

/// The two sorts of maps.
#[derive(Debug, Clone)]
pub(crate) enum MapKind<'a> {
    Plain(Ty<'a>, Ty<'a>),
    Sync,
}

/// Returns the name of a type of this package, or of what it points to.
pub(crate) fn named<'a>(ty: &Ty<'a>) -> Option<&'a str> {
    match ty.shape() {
        Shape::Name(name) => Some(name),
        Shape::Pointer(to) => match to.shape() {
            Shape::Name(name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

/// Finds a field that the structure itself has.
pub(crate) fn field_of<'a>(structure: &'a StructType, name: &str) -> Option<Ty<'a>> {
    structure.fields.iter().find_map(|field| {
        let is_named = field.name.iter().any(|ident| ident.name == name);
        let is_embedded = field.name.is_empty() && embedded_name(&field.typ) == Some(name);
        (is_named || is_embedded).then_some(Ty::Written(&field.typ))
    })
}

/// Lists the types that a structure embeds.
fn embedded<'a>(structure: &'a StructType) -> impl Iterator<Item = Ty<'a>> {
    structure
        .fields
        .iter()
        .filter(|field| field.name.is_empty())
        .map(|field| Ty::Written(&field.typ))
}

fn embedded_name(ty: &Expression) -> Option<&str> {
    match Ty::Written(ty).shape() {
        Shape::Name(name) | Shape::Foreign(_, name) => Some(name),
        Shape::Pointer(to) => match to.shape() {
            Shape::Name(name) | Shape::Foreign(_, name) => Some(name),
            _ => None,
        },
        _ => None,
    }
}

fn basic<'a>(name: &'a str) -> Shape<'a> {
    match name {
        "error" | "any" => Shape::Interface,
        "bool" | "string" | "int" | "int8" | "int16" | "int32" | "int64" | "uint" | "uint8"
        | "uint16" | "uint32" | "uint64" | "uintptr" | "byte" | "rune" | "float32" | "float64"
        | "complex64" | "complex128" => Shape::Name(name),
        // A type parameter, or a type that a function declares.
        _ => Shape::Unknown,
    }
}

fn imports(file: &SourceFile) -> HashMap<&str, &str> {
    file.ast
        .imports
        .iter()
        .map(|import| {
            let path = import.path.value.trim_matches(['"', '`']);
            let name = match &import.name {
                Some(name) => name.name.as_str(),
                None => default_name(path),
            };
            (name, path)
        })
        .collect()
}

/// The name that a package most likely has: the path's last part that is no version.
fn default_name(path: &str) -> &str {
    let mut parts = path.rsplit('/');
    let last = parts.next().unwrap_or(path);
    let is_version = last
        .strip_prefix('v')
        .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()));
    let name = if is_version { parts.next().unwrap_or(last) } else { last };
    let name = name.split_once(".v").map_or(name, |(name, _)| name);
    name.strip_prefix("go-").unwrap_or(name)
}
