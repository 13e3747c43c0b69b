//! Expressions and types as the compiler prints them in its verdicts.
//!
//! What is implicit is left out, a literal's contents are dots, a function literal is called just that.
//! The forms are those of `cmd/compile/internal/ir/fmt.go` and `types/fmt.go`.

use tophash_typecheck::{Builtin, Direction, Signature, Type, TypeId, Universe};

use crate::ir::{NodeId, Op, Program};

/// Types within types are printed this deep: what is hostile ends, what people write fits.
const DEEPEST: u32 = 64;
/// Expressions within expressions are printed this deep.
const DEEPEST_EXPRESSION: u32 = 200;

/// Prints nodes of a program.
#[derive(Clone, Copy)]
pub(crate) struct Printer<'p> {
    pub(crate) program: &'p Program,
    pub(crate) universe: &'p Universe,
    /// The package being analysed, whose names stand without its own.
    pub(crate) package: tophash_typecheck::PackageId,
}

/// How types of packages are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Names {
    /// With the package's name, or none for the package's own.
    Short,
    /// With the package's path, as type arguments are.
    Long,
}

/// How tightly an operator binds.
fn binary_precedence(op: &str) -> u8 {
    match op {
        "*" | "/" | "%" | "<<" | ">>" | "&" | "&^" => 6,
        "+" | "-" | "|" | "^" => 5,
        "==" | "!=" | "<" | "<=" | ">" | ">=" => 4,
        "&&" => 2,
        _ => 1,
    }
}

impl Printer<'_> {
    /// An expression.
    pub(crate) fn expr(&self, id: NodeId) -> String {
        let mut out = String::new();
        self.write(&mut out, id, 0, 0);
        out
    }

    fn list(&self, out: &mut String, list: &[NodeId], depth: u32) {
        for (index, &x) in list.iter().enumerate() {
            if index > 0 {
                out.push_str(", ");
            }
            self.write(out, x, 0, depth);
        }
    }

    fn call(&self, out: &mut String, args: &[NodeId], spread: bool, depth: u32) {
        out.push('(');
        self.list(out, args, depth);
        out.push_str(if spread { "...)" } else { ")" });
    }

    fn write(&self, out: &mut String, id: NodeId, outer: u8, depth: u32) {
        let mut id = id;
        let mut node = self.program.node(id);
        while node.is_implicit {
            match node.op {
                Op::Addr(x)
                | Op::Deref(x)
                | Op::Convert(x)
                | Op::ConvertNop(x)
                | Op::ConvertIface(x) => {
                    id = x;
                    node = self.program.node(id);
                }
                _ => break,
            }
        }
        if depth > DEEPEST_EXPRESSION {
            out.push_str("...");
            return;
        }
        let depth = depth + 1;
        let own = match &node.op {
            Op::Unary(..) | Op::Addr(_) | Op::Deref(_) | Op::Receive(_) => 7,
            Op::Binary(op, ..) => binary_precedence(op),
            // What the compiler gives no precedence stands in parentheses within anything.
            Op::PtrLit(_) | Op::Closure(_) | Op::Concat(_) | Op::MakeMap(_) | Op::MakeChan(_) => 0,
            _ => 8,
        };
        if outer > own {
            out.push('(');
            self.write(out, id, 0, depth);
            out.push(')');
            return;
        }
        match &node.op {
            Op::Literal(literal) => out.push_str(&literal.text),
            Op::Nil => out.push_str("nil"),
            Op::Name(var) => out.push_str(&self.program.var(*var).name),
            Op::Global(name) | Op::Function { name, .. } => out.push_str(name),
            Op::MethodExpr { receiver, name, .. } => {
                let receiver = self.typ(*receiver);
                if receiver.starts_with('*') {
                    out.push_str(&format!("({receiver}).{name}"));
                } else {
                    out.push_str(&format!("{receiver}.{name}"));
                }
            }
            Op::Unary(op, x) => {
                out.push_str(op);
                self.unary(out, op, *x, depth);
            }
            Op::Addr(x) => {
                out.push('&');
                if matches!(self.program.node(*x).op, Op::Addr(_)) {
                    out.push(' ');
                }
                self.write(out, *x, 8, depth);
            }
            Op::Deref(x) => {
                out.push('*');
                self.write(out, *x, 8, depth);
            }
            Op::Receive(x) => {
                out.push_str("<-");
                self.write(out, *x, 8, depth);
            }
            Op::Binary(op, x, y) => {
                self.write(out, *x, own, depth);
                out.push_str(&format!(" {op} "));
                self.write(out, *y, own + 1, depth);
            }
            Op::Concat(list) => {
                for (index, &x) in list.iter().enumerate() {
                    if index > 0 {
                        out.push_str(" + ");
                    }
                    self.write(out, x, own, depth);
                }
            }
            Op::PtrLit(x) => {
                out.push('&');
                self.write(out, *x, 0, depth);
            }
            Op::Dot(x, name) | Op::DotPtr(x, name) | Op::MethodValue { x, name, .. } => {
                self.write(out, *x, own, depth);
                out.push('.');
                out.push_str(name);
            }
            Op::Assert(x) => {
                self.write(out, *x, own, depth);
                out.push_str(&format!(".({})", self.type_of(id)));
            }
            Op::Index(x, index) | Op::IndexArray(x, index) | Op::IndexMap(x, index) => {
                self.write(out, *x, own, depth);
                out.push('[');
                self.write(out, *index, 0, depth);
                out.push(']');
            }
            Op::Slice { x, low, high, max } => {
                self.write(out, *x, own, depth);
                out.push('[');
                low.iter().for_each(|low| self.write(out, *low, 0, depth));
                out.push(':');
                high.iter().for_each(|high| self.write(out, *high, 0, depth));
                if let Some(max) = max {
                    out.push(':');
                    self.write(out, *max, 0, depth);
                }
                out.push(']');
            }
            Op::Convert(x)
            | Op::ConvertNop(x)
            | Op::ConvertIface(x)
            | Op::ConvertText(x)
            | Op::SliceToArray(x)
            | Op::SliceToArrayPtr(x) => {
                let to = self.type_of(id);
                if self.has_name(node.typ) || node.spelled.as_deref() == Some("any") {
                    out.push_str(&to);
                } else {
                    out.push_str(&format!("({to})"));
                }
                out.push('(');
                self.write(out, *x, 0, depth);
                out.push(')');
            }
            Op::Call { function, args, spread } => {
                self.write(out, *function, own, depth);
                self.call(out, args, *spread, depth);
            }
            Op::CallInterface { x, name, args, spread } => {
                self.write(out, *x, own, depth);
                out.push('.');
                out.push_str(name);
                self.call(out, args, *spread, depth);
            }
            Op::Builtin { which, args, spread } => {
                out.push_str(builtin_name(*which));
                self.call(out, args, *spread, depth);
            }
            Op::New => {
                let elem = match &*self.universe.get(node.typ) {
                    Type::Pointer(elem) => *elem,
                    _ => TypeId::UNKNOWN,
                };
                let spelled = node.spelled.as_deref().map_or_else(|| self.typ(elem), str::to_owned);
                out.push_str(&format!("new({spelled})"));
            }
            Op::MakeSlice { len, cap } => {
                out.push_str(&format!("make({}, ", self.type_of(id)));
                self.write(out, *len, 0, depth);
                if let Some(cap) = cap {
                    out.push_str(", ");
                    self.write(out, *cap, 0, depth);
                }
                out.push(')');
            }
            Op::MakeChan(len) | Op::MakeMap(len) => {
                out.push_str(&format!("make({}", self.type_of(id)));
                if let Some(len) = len {
                    out.push_str(", ");
                    self.write(out, *len, 0, depth);
                }
                out.push(')');
            }
            Op::SliceLit { .. } if node.is_implicit => out.push_str("... argument"),
            Op::ArrayLit(list) | Op::StructLit(list) | Op::SliceLit { values: list, .. } => {
                self.literal(out, id, list.is_empty());
            }
            Op::MapLit(pairs) => self.literal(out, id, pairs.is_empty()),
            Op::Closure(_) => out.push_str("func literal"),
            // Statements, of which explanations name few.
            Op::Assign { to: Some(to), from, defines } => {
                self.write(out, *to, 0, depth);
                out.push_str(if *defines { " := " } else { " = " });
                match from {
                    Some(from) => self.write(out, *from, 0, depth),
                    None => out.push_str("<nil>"),
                }
            }
            Op::Combine { to, op, from, is_step } => {
                self.write(out, *to, 0, depth);
                if *is_step {
                    out.push_str(if *op == "+" { "++" } else { "--" });
                } else {
                    out.push_str(&format!(" {op}= "));
                    self.write(out, *from, 0, depth);
                }
            }
            Op::AssignList { to, from, defines, .. } => {
                self.list(out, to, depth);
                out.push_str(if *defines { " := " } else { " = " });
                self.list(out, from, depth);
            }
            Op::AssignCall { to, call, defines } => {
                self.list(out, to, depth);
                out.push_str(if *defines { " := " } else { " = " });
                self.write(out, *call, 0, depth);
            }
            Op::Return(list) => {
                out.push_str("return ");
                self.list(out, list, depth);
            }
            Op::Send { channel, value } => {
                self.write(out, *channel, 3, depth);
                out.push_str(" <- ");
                self.write(out, *value, 4, depth);
            }
            Op::Range { .. } | Op::For { .. } => out.push_str("for loop"),
            _ => out.push_str("..."),
        }
    }

    fn unary(&self, out: &mut String, op: &str, x: NodeId, depth: u32) {
        if matches!(&self.program.node(x).op, Op::Unary(inner, _) if *inner == op) {
            out.push(' ');
        }
        self.write(out, x, 8, depth);
    }

    fn literal(&self, out: &mut String, id: NodeId, is_empty: bool) {
        out.push_str(&self.type_of(id));
        out.push_str(if is_empty { "{}" } else { "{...}" });
    }

    /// A node's type: as the source spells it, where it does.
    fn type_of(&self, id: NodeId) -> String {
        let node = self.program.node(id);
        node.spelled.as_deref().map_or_else(|| self.typ(node.typ), str::to_owned)
    }

    fn has_name(&self, typ: TypeId) -> bool {
        matches!(&*self.universe.get(typ), Type::Named { .. } | Type::Basic(_) | Type::TypeParam(_))
    }

    /// A type.
    pub(crate) fn typ(&self, id: TypeId) -> String {
        let mut out = String::new();
        self.write_type(&mut out, id, Names::Short, 0);
        out
    }

    fn write_type(&self, out: &mut String, id: TypeId, names: Names, depth: u32) {
        if depth > DEEPEST {
            out.push_str("...");
            return;
        }
        let depth = depth + 1;
        match &*self.universe.get(id) {
            Type::Basic(basic) => out.push_str(basic.name()),
            Type::Named { object, args } => {
                let object = self.universe.object(*object);
                let package = match names {
                    Names::Short if object.package == self.package => "".into(),
                    Names::Short => self.universe.package_name(object.package),
                    Names::Long => self.universe.package_path(object.package),
                };
                if !package.is_empty() {
                    out.push_str(&format!("{package}."));
                }
                out.push_str(&object.name);
                if !args.is_empty() {
                    out.push('[');
                    for (index, arg) in args.iter().enumerate() {
                        out.push_str(if index > 0 { "," } else { "" });
                        self.write_type(out, *arg, Names::Long, depth);
                    }
                    out.push(']');
                }
            }
            Type::Pointer(elem) => {
                out.push('*');
                self.write_type(out, *elem, names, depth);
            }
            Type::Slice(elem) => {
                out.push_str("[]");
                self.write_type(out, *elem, names, depth);
            }
            Type::Array { length, elem } => {
                match length {
                    Some(length) => out.push_str(&format!("[{length}]")),
                    None => out.push_str("[...]"),
                }
                self.write_type(out, *elem, names, depth);
            }
            Type::Map { key, elem } => {
                out.push_str("map[");
                self.write_type(out, *key, names, depth);
                out.push(']');
                self.write_type(out, *elem, names, depth);
            }
            Type::Chan { direction, elem } => {
                out.push_str(match direction {
                    Direction::Both => "chan ",
                    Direction::Send => "chan<- ",
                    Direction::Receive => "<-chan ",
                });
                self.write_type(out, *elem, names, depth);
            }
            Type::Func(signature) => {
                out.push_str("func");
                self.signature(out, signature, names, depth);
            }
            Type::Struct(fields) => {
                out.push_str("struct {");
                for (index, field) in fields.iter().enumerate() {
                    out.push_str(if index > 0 { "; " } else { " " });
                    if !field.is_embedded {
                        out.push_str(&format!("{} ", field.name));
                    }
                    self.write_type(out, field.typ, names, depth);
                    if !field.tag.is_empty() {
                        out.push_str(&format!(" {:?}", field.tag));
                    }
                }
                out.push_str(if fields.is_empty() { "}" } else { " }" });
            }
            Type::Interface(interface) => {
                if interface.methods.is_empty() && interface.embeds.is_empty() {
                    // The alias is what people write; the type alone does not tell which it was.
                    out.push_str(if id == self.universe.any_type() {
                        "any"
                    } else {
                        "interface {}"
                    });
                    return;
                }
                out.push_str("interface {");
                for (index, method) in interface.methods.iter().enumerate() {
                    out.push_str(if index > 0 { "; " } else { " " });
                    out.push_str(&method.name);
                    if let Type::Func(signature) = &*self.universe.get(method.signature) {
                        self.signature(out, signature, names, depth);
                    }
                }
                out.push_str(" }");
            }
            Type::Tuple(types) => {
                out.push('(');
                for (index, typ) in types.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    self.write_type(out, *typ, names, depth);
                }
                out.push(')');
            }
            Type::TypeParam(object) => out.push_str(&self.universe.object(*object).name),
            _ => out.push('?'),
        }
    }

    fn signature(&self, out: &mut String, signature: &Signature, names: Names, depth: u32) {
        out.push('(');
        for (index, param) in signature.params.iter().enumerate() {
            out.push_str(if index > 0 { ", " } else { "" });
            match (&*self.universe.get(param.typ), signature.is_variadic) {
                (Type::Slice(elem), true) if index + 1 == signature.params.len() => {
                    out.push_str("...");
                    self.write_type(out, *elem, names, depth);
                }
                _ => self.write_type(out, param.typ, names, depth),
            }
        }
        out.push(')');
        match &*signature.results {
            [] => {}
            [one] => {
                out.push(' ');
                self.write_type(out, one.typ, names, depth);
            }
            several => {
                out.push_str(" (");
                for (index, result) in several.iter().enumerate() {
                    out.push_str(if index > 0 { ", " } else { "" });
                    self.write_type(out, result.typ, names, depth);
                }
                out.push(')');
            }
        }
    }
}

pub(crate) fn builtin_name(which: Builtin) -> &'static str {
    match which {
        Builtin::Append => "append",
        Builtin::Cap => "cap",
        Builtin::Clear => "clear",
        Builtin::Close => "close",
        Builtin::Complex => "complex",
        Builtin::Copy => "copy",
        Builtin::Delete => "delete",
        Builtin::Imag => "imag",
        Builtin::Len => "len",
        Builtin::Make => "make",
        Builtin::Max => "max",
        Builtin::Min => "min",
        Builtin::New => "new",
        Builtin::Panic => "panic",
        Builtin::Print => "print",
        Builtin::Println => "println",
        Builtin::Real => "real",
        Builtin::Recover => "recover",
        Builtin::UnsafeAdd => "unsafe.Add",
        Builtin::UnsafeSlice => "unsafe.Slice",
        Builtin::UnsafeSliceData => "unsafe.SliceData",
        Builtin::UnsafeString => "unsafe.String",
        Builtin::UnsafeStringData => "unsafe.StringData",
        _ => "unsafe",
    }
}
