// Oracle prints what go/types says of every expression of packages of the standard library, one line each:
// file:line:column of the token that is the expression's own, its kind, its type, and its value if it is a
// constant that is no fraction.
package main

import (
	"bufio"
	"fmt"
	"go/ast"
	"go/build"
	"go/constant"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

func main() {
	build.Default.CgoEnabled = false
	fset := token.NewFileSet()
	from := importer.ForCompiler(fset, "source", nil)
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	for _, path := range os.Args[1:] {
		if err := dump(out, fset, from, path); err != nil {
			fmt.Fprintln(os.Stderr, path, err)
			os.Exit(1)
		}
	}
}

func dump(out *bufio.Writer, fset *token.FileSet, from types.Importer, path string) error {
	var dir string
	var names []string
	if strings.HasSuffix(path, ".go") {
		dir, names = filepath.Dir(path), []string{filepath.Base(path)}
	} else {
		found, err := build.Import(path, "", 0)
		if err != nil {
			return err
		}
		dir, names = found.Dir, found.GoFiles
	}
	var files []*ast.File
	for _, name := range names {
		file, err := parser.ParseFile(fset, filepath.Join(dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, file)
	}
	info := &types.Info{
		Types:      map[ast.Expr]types.TypeAndValue{},
		Uses:       map[*ast.Ident]types.Object{},
		Defs:       map[*ast.Ident]types.Object{},
		Selections: map[*ast.SelectorExpr]*types.Selection{},
	}
	config := types.Config{Importer: from, Sizes: types.SizesFor("gc", "amd64"), FakeImportC: true}
	config.Error = func(err error) { fmt.Fprintln(os.Stderr, err) }
	self, err := config.Check(path, fset, files, info)
	if err != nil {
		return err
	}
	line := func(at token.Pos, format string, args ...any) {
		position := fset.Position(at)
		name := filepath.Base(position.Filename)
		fmt.Fprintf(out, "%s/%s:%d:%d ", path, name, position.Line, position.Column)
		fmt.Fprintf(out, format+"\n", args...)
	}
	for _, file := range files {
		skip := map[ast.Expr]bool{}
		ast.Inspect(file, func(node ast.Node) bool {
			if literal, ok := node.(*ast.FuncLit); ok {
				skip[literal.Type] = true
			}
			if name, ok := node.(*ast.Ident); ok {
				object := info.Uses[name]
				if object == nil {
					object = info.Defs[name]
				}
				if where := origin(fset, self, object); where != "" {
					line(name.Pos(), "object %s", where)
				}
				if named, ok := object.(*types.TypeName); ok && info.Defs[name] != nil && isPlain(named) {
					size, align := config.Sizes.Sizeof(named.Type()), config.Sizes.Alignof(named.Type())
					line(name.Pos(), "size %d/%d", size, align)
				}
			}
			if selector, ok := node.(*ast.SelectorExpr); ok {
				if selection := info.Selections[selector]; selection != nil {
					path := selection.Index()
					if selection.Kind() != types.FieldVal {
						path = path[:len(path)-1]
					}
					var receiver strings.Builder
					spell(&receiver, selection.Recv())
					line(selector.Sel.Pos(), "selection %s %v %s", kinds[selection.Kind()], path, receiver.String())
				}
			}
			expr, ok := node.(ast.Expr)
			if !ok || skip[expr] {
				return true
			}
			found, ok := info.Types[expr]
			at, kind := place(expr)
			if !ok || kind == "" || !at.IsValid() || found.IsBuiltin() || isTerm(expr, found) {
				return true
			}
			value := ""
			if found.Value != nil {
				switch found.Value.Kind() {
				case constant.Bool, constant.Int:
					value = " = " + found.Value.ExactString()
				case constant.String:
					value = fmt.Sprintf(" = %x", constant.StringVal(found.Value))
				}
			}
			var typ strings.Builder
			spell(&typ, found.Type)
			line(at, "%s %s%s", kind, typ.String(), value)
			return true
		})
	}
	return nil
}

var kinds = [...]string{types.FieldVal: "field", types.MethodVal: "method", types.MethodExpr: "expression"}

// origin returns where an object is declared: its place, or its name in another package. Fields, labels, packages
// and methods of interfaces have none.
func origin(fset *token.FileSet, self *types.Package, object types.Object) string {
	switch object := object.(type) {
	case nil, *types.Label, *types.PkgName, *types.Builtin, *types.Nil:
		return ""
	case *types.Var:
		if object.IsField() {
			return ""
		}
	case *types.Func:
		receiver := object.Type().(*types.Signature).Recv()
		if receiver != nil && types.IsInterface(receiver.Type()) {
			return ""
		}
	}
	if object.Pkg() == self && object.Name() != "_" {
		position := fset.Position(object.Pos())
		return fmt.Sprintf("%s:%d:%d", filepath.Base(position.Filename), position.Line, position.Column)
	}
	if object.Pkg() == nil || object.Name() == "_" {
		return ""
	}
	return object.Pkg().Path() + "." + object.Name()
}

// isPlain reports whether a type has a size.
func isPlain(name *types.TypeName) bool {
	switch typ := name.Type().(type) {
	case *types.Named:
		return typ.TypeParams().Len() == 0 && sized(typ.Underlying())
	}
	return false
}

func sized(typ types.Type) bool {
	switch typ := typ.Underlying().(type) {
	case *types.Interface:
		return typ.IsMethodSet()
	case *types.Struct:
		for i := range typ.NumFields() {
			if _, ok := typ.Field(i).Type().(*types.TypeParam); ok || !sized(typ.Field(i).Type()) {
				return false
			}
		}
	case *types.Array:
		_, ok := typ.Elem().(*types.TypeParam)
		return !ok && sized(typ.Elem())
	}
	return true
}

// isTerm reports whether an expression is part of a constraint, as in ~int | ~string.
func isTerm(expr ast.Expr, found types.TypeAndValue) bool {
	switch expr.(type) {
	case *ast.UnaryExpr, *ast.BinaryExpr:
		return found.IsType()
	}
	return false
}

// place returns the token that is an expression's own, and what kind it is.
func place(expr ast.Expr) (token.Pos, string) {
	switch expr := expr.(type) {
	case *ast.Ident:
		return expr.Pos(), "name"
	case *ast.BasicLit:
		return expr.Pos(), "literal"
	case *ast.FuncLit:
		return expr.Type.Func, "function"
	case *ast.CompositeLit:
		return expr.Lbrace, "composite"
	case *ast.ParenExpr:
		return expr.Lparen, "paren"
	case *ast.SelectorExpr:
		return expr.Sel.Pos(), "selector"
	case *ast.IndexExpr:
		return expr.Lbrack, "index"
	case *ast.IndexListExpr:
		return expr.Lbrack, "index"
	case *ast.SliceExpr:
		return expr.Lbrack, "slice"
	case *ast.TypeAssertExpr:
		return expr.Rparen, "assertion"
	case *ast.CallExpr:
		return expr.Lparen, "call"
	case *ast.StarExpr:
		return expr.Star, "star"
	case *ast.UnaryExpr:
		return expr.OpPos, "unary"
	case *ast.BinaryExpr:
		return expr.OpPos, "binary"
	case *ast.ArrayType:
		return expr.Lbrack, "array"
	case *ast.StructType:
		return expr.Fields.Opening, "struct"
	case *ast.FuncType:
		return expr.Func, "signature"
	case *ast.InterfaceType:
		return expr.Interface, "interface"
	case *ast.MapType:
		return expr.Map + 3, "map"
	}
	return token.NoPos, ""
}

func spell(out *strings.Builder, typ types.Type) {
	switch typ := types.Unalias(typ).(type) {
	case *types.Basic:
		name := typ.Name()
		if typ.Kind() == types.UnsafePointer {
			name = "unsafe.Pointer"
		} else if typ.Info()&types.IsUntyped == 0 && int(typ.Kind()) < len(types.Typ) {
			name = types.Typ[typ.Kind()].Name() // not byte or rune
		}
		out.WriteString(name)
	case *types.Named:
		object := typ.Obj()
		if object.Pkg() != nil {
			out.WriteString(object.Pkg().Path() + ".")
		}
		out.WriteString(object.Name())
		if args := typ.TypeArgs(); args.Len() > 0 {
			out.WriteString("[")
			for i := range args.Len() {
				if i > 0 {
					out.WriteString(",")
				}
				spell(out, args.At(i))
			}
			out.WriteString("]")
		}
	case *types.Pointer:
		out.WriteString("*")
		spell(out, typ.Elem())
	case *types.Slice:
		out.WriteString("[]")
		spell(out, typ.Elem())
	case *types.Array:
		fmt.Fprintf(out, "[%d]", typ.Len())
		spell(out, typ.Elem())
	case *types.Map:
		out.WriteString("map[")
		spell(out, typ.Key())
		out.WriteString("]")
		spell(out, typ.Elem())
	case *types.Chan:
		out.WriteString([...]string{"chan ", "chan<- ", "<-chan "}[typ.Dir()])
		inner, ok := types.Unalias(typ.Elem()).(*types.Chan)
		if ok && typ.Dir() != types.SendOnly && inner.Dir() == types.RecvOnly {
			out.WriteString("(")
			spell(out, inner)
			out.WriteString(")")
			return
		}
		spell(out, typ.Elem())
	case *types.Signature:
		out.WriteString("func")
		signature(out, typ)
	case *types.Struct:
		out.WriteString("struct{")
		for i := range typ.NumFields() {
			field := typ.Field(i)
			if i > 0 {
				out.WriteString("; ")
			}
			if !field.Embedded() {
				out.WriteString(field.Name() + " ")
			}
			spell(out, field.Type())
			if tag := typ.Tag(i); tag != "" {
				out.WriteString(" " + strconv.Quote(tag))
			}
		}
		out.WriteString("}")
	case *types.Interface:
		if object := types.Universe.Lookup("comparable").Type(); types.Identical(object.Underlying(), typ) {
			out.WriteString("interface{}")
			return
		}
		out.WriteString("interface{")
		between := ""
		for i := range typ.NumExplicitMethods() {
			method := typ.ExplicitMethod(i)
			out.WriteString(between + method.Name())
			between = "; "
			signature(out, method.Type().(*types.Signature))
		}
		for i := range typ.NumEmbeddeds() {
			out.WriteString(between)
			between = "; "
			spell(out, typ.EmbeddedType(i))
		}
		out.WriteString("}")
	case *types.Union:
		for i := range typ.Len() {
			if i > 0 {
				out.WriteString(" | ")
			}
			if typ.Term(i).Tilde() {
				out.WriteString("~")
			}
			spell(out, typ.Term(i).Type())
		}
	case *types.Tuple:
		out.WriteString("(")
		for i := range typ.Len() {
			if i > 0 {
				out.WriteString(", ")
			}
			spell(out, typ.At(i).Type())
		}
		out.WriteString(")")
	case *types.TypeParam:
		out.WriteString(typ.Obj().Name())
	default:
		fmt.Fprintf(out, "<%v>", typ)
	}
}

func signature(out *strings.Builder, typ *types.Signature) {
	if params := typ.TypeParams(); params.Len() > 0 {
		out.WriteString("[")
		for i := range params.Len() {
			if i > 0 {
				out.WriteString(", ")
			}
			spell(out, params.At(i))
		}
		out.WriteString("]")
	}
	out.WriteString("(")
	for i := range typ.Params().Len() {
		if i > 0 {
			out.WriteString(", ")
		}
		param := typ.Params().At(i).Type()
		if slice, ok := param.(*types.Slice); ok && typ.Variadic() && i+1 == typ.Params().Len() {
			out.WriteString("...")
			param = slice.Elem()
		}
		spell(out, param)
	}
	out.WriteString(")")
	switch results := typ.Results(); results.Len() {
	case 0:
	case 1:
		out.WriteString(" ")
		spell(out, results.At(0).Type())
	default:
		out.WriteString(" ")
		spell(out, results)
	}
}
