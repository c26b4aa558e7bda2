//! The names that a Rust file uses, read from its syntax tree. Test modules are left out.

use std::ops::Range;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Expr, Token, Visibility};

/// A path such as `crate::keys::find`.
#[derive(Debug, Default)]
pub(super) struct Path {
    pub(super) line: usize,
    /// Segments; the first one is replaced by what it was imported as.
    pub(super) segments: Vec<String>,
    /// Index of the innermost function around the path.
    pub(super) function: Option<usize>,
    /// True for `&PATH`.
    pub(super) is_borrowed: bool,
}

/// A function with a body.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) line: usize,
    /// True for `pub`, false for `pub(crate)` and narrower.
    pub(super) is_public: bool,
    /// Paths in the parameters.
    pub(super) inputs: Range<usize>,
    /// Paths in the return type.
    pub(super) output: Range<usize>,
}

/// A constant.
#[derive(Debug)]
pub(super) struct Constant {
    pub(super) name: String,
    pub(super) line: usize,
    /// Last segment of its type.
    pub(super) kind: String,
    /// Function at the start of its value, as `Type::function`, and the string passed to it.
    pub(super) call: Option<(String, String)>,
}

/// The names in a file.
#[derive(Debug, Default)]
pub(super) struct Code {
    pub(super) paths: Vec<Path>,
    /// Names of called methods, with their lines.
    pub(super) methods: Vec<(usize, String)>,
    pub(super) functions: Vec<Function>,
    pub(super) constants: Vec<Constant>,
    imports: Vec<(String, Vec<String>)>,
    open_functions: Vec<usize>,
}

impl Code {
    /// Reads the names in `file`.
    pub(super) fn of(file: &syn::File) -> Self {
        let mut code = Self::default();
        code.visit_file(file);
        // An import may start with the name of another one.
        for _ in 0..2 {
            for path in &mut code.paths {
                let first = path.segments.first().cloned().unwrap_or_default();
                let import = code.imports.iter().find(|(name, whole)| *name == first && whole[0] != first);
                if let Some((_, whole)) = import {
                    path.segments.splice(..1, whole.iter().cloned());
                }
            }
        }
        code
    }

    fn import(&mut self, tree: &syn::UseTree, prefix: &[String]) {
        let with = |name: &syn::Ident| [prefix, &[name.to_string()]].concat();
        let (name, path) = match tree {
            syn::UseTree::Path(path) => return self.import(&path.tree, &with(&path.ident)),
            syn::UseTree::Group(group) => {
                return group.items.iter().for_each(|item| self.import(item, prefix));
            }
            syn::UseTree::Glob(_) => return,
            syn::UseTree::Name(name) if name.ident == "self" => (prefix.last().cloned(), prefix.to_vec()),
            syn::UseTree::Name(name) => (Some(name.ident.to_string()), with(&name.ident)),
            syn::UseTree::Rename(rename) => (Some(rename.rename.to_string()), with(&rename.ident)),
        };
        self.imports.extend(name.map(|name| (name, path)));
    }

    fn function(&mut self, visibility: &Visibility, signature: &syn::Signature, body: &syn::Block) {
        let start = self.paths.len();
        signature.inputs.iter().for_each(|input| self.visit_fn_arg(input));
        let middle = self.paths.len();
        self.visit_return_type(&signature.output);
        self.open_functions.push(self.functions.len());
        self.functions.push(Function {
            name: signature.ident.to_string(),
            line: signature.ident.span().start().line,
            is_public: matches!(visibility, Visibility::Public(_)),
            inputs: start..middle,
            output: middle..self.paths.len(),
        });
        self.visit_generics(&signature.generics);
        self.visit_block(body);
        self.open_functions.pop();
    }

    fn constant(&mut self, name: &syn::Ident, kind: &syn::Type, value: &Expr) {
        let path = if let syn::Type::Path(path) = kind { path.path.segments.last() } else { None };
        let kind = path.map(|segment| segment.ident.to_string()).unwrap_or_default();
        let line = name.span().start().line;
        self.constants.push(Constant { name: name.to_string(), line, kind, call: call(value) });
        self.visit_expr(value);
    }
}

impl<'ast> Visit<'ast> for Code {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        let is_cfg_test = |attribute: &syn::Attribute| {
            attribute.path().is_ident("cfg")
                && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
        };
        if !attributes.iter().any(is_cfg_test) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        let (line, from) = (item.use_token.span.start().line, self.imports.len());
        self.import(&item.tree, &[]);
        let imported = self.imports[from..].iter().map(|(_, path)| path.clone());
        self.paths.extend(imported.map(|segments| Path { line, segments, ..Path::default() }));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.vis, &item.sig, &item.block);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.vis, &item.sig, &item.block);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.constant(&item.ident, &item.ty, &item.expr);
    }

    fn visit_expr_method_call(&mut self, call: &'ast syn::ExprMethodCall) {
        self.methods.push((call.method.span().start().line, call.method.to_string()));
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_reference(&mut self, reference: &'ast syn::ExprReference) {
        let from = self.paths.len();
        visit::visit_expr_reference(self, reference);
        if let (Expr::Path(_), Some(path)) = (&*reference.expr, self.paths.get_mut(from)) {
            path.is_borrowed = true;
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let line = path.segments.first().map_or(1, |segment| segment.ident.span().start().line);
        let segments = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let function = self.open_functions.last().copied();
        self.paths.push(Path { line, segments, function, is_borrowed: false });
        visit::visit_path(self, path);
    }

    /// Visits the arguments of macros such as `vec!`, whose input is a list of expressions.
    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        let arguments = call.parse_body_with(Punctuated::<Expr, Token![,]>::parse_terminated);
        arguments.iter().flatten().for_each(|argument| self.visit_expr(argument));
    }
}

/// Returns the function at the start of a chain of methods, and the string that is its first argument. The chain may be
/// the argument of another function.
fn call(value: &Expr) -> Option<(String, String)> {
    match value {
        Expr::MethodCall(method) => call(&method.receiver),
        Expr::Call(function) => {
            let (Expr::Path(path), Some(first)) = (&*function.func, function.args.first()) else {
                return None;
            };
            let Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) = first else { return call(first) };
            let mut names = path.path.segments.iter().rev().map(|segment| segment.ident.to_string());
            let (last, kind) = (names.next()?, names.next()?);
            Some((format!("{kind}::{last}"), text.value()))
        }
        _ => None,
    }
}
