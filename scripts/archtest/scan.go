package archtest

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Scan reads the packages below the root of the module, whatever platform and
// build tags their files are for. Nested modules, testdata and hidden folders
// are no part of it.
func Scan(root fs.FS) ([]Package, error) {
	found := map[string]*Package{}
	var order []string
	err := fs.WalkDir(root, ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name != "." && foreign(root, name) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		dir := path.Dir(name)
		if found[dir] == nil {
			found[dir] = &Package{Path: dir}
			order = append(order, dir)
		}
		return found[dir].add(root, name)
	})
	pkgs := make([]Package, len(order))
	for i, dir := range order {
		pkgs[i] = *found[dir]
	}
	return pkgs, err
}

// foreign reports whether the folder at name is no part of the module.
func foreign(root fs.FS, name string) bool {
	base := path.Base(name)
	if strings.HasPrefix(base, ".") || base == "testdata" || base == "node_modules" {
		return true
	}
	_, err := fs.Stat(root, path.Join(name, "go.mod"))
	return err == nil
}

// add reads one file of the package.
func (p *Package) add(root fs.FS, name string) error {
	source, err := fs.ReadFile(root, name)
	if err != nil {
		return err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, source, parser.ImportsOnly|parser.ParseComments)
	if err != nil {
		return err
	}
	p.Documented = p.Documented || file.Doc != nil
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return fmt.Errorf("%s: import %s: %w", name, spec.Path.Value, err)
		}
		if !slices.Contains(p.Imports, imported) {
			p.Imports = append(p.Imports, imported)
		}
	}
	return nil
}
