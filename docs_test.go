package ferrule_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPagesNameWhatIsThere wants behind every link of a page a file, and behind
// every test and Go file that a page names, one of that name: pages outlive
// what they speak of.
func TestPagesNameWhatIsThere(t *testing.T) {
	var code strings.Builder
	var pages []string
	err := filepath.WalkDir(".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Ext(p) {
		case ".go":
			text, err := os.ReadFile(p)
			code.Write(text)
			return err
		case ".md":
			pages = append(pages, p)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var (
		link  = regexp.MustCompile(`\]\(([^)#:]+)\)`)
		named = regexp.MustCompile("`(Test[A-Z]\\w*)`")
		file  = regexp.MustCompile("`([a-z0-9_./]+/[a-z0-9_]+\\.go)`")
	)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s: link to %s, which is not there", page, m[1])
			}
		}
		for _, m := range file.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(m[1]); err != nil {
				t.Errorf("%s: names %s, which is not there", page, path.Clean(m[1]))
			}
		}
		for _, m := range named.FindAllStringSubmatch(string(text), -1) {
			if !strings.Contains(code.String(), "func "+m[1]+"(") {
				t.Errorf("%s: names %s, and there is no such test", page, m[1])
			}
		}
	}
}
