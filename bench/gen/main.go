// Gen writes the measurements of the worker, one copy for each thing measured,
// so that each is called directly and inlined as in a user's program: a method
// of a type parameter or of an interface would be neither, and the call would
// cost as much as the ring. What is written differs in nothing else.
package main

import (
	"bytes"
	"embed"
	"go/format"
	"log"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed *.tmpl
var texts embed.FS

// generated returns the files of the worker that are made here, by name.
func generated() (map[string][]byte, error) {
	t, err := template.ParseFS(texts, "*.tmpl")
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, impls := range map[string]any{"ring": rings, "block": blockings, "lock": locks, "read": readers, "lookup": tables, "pool": pools} {
		var text bytes.Buffer
		if err := t.ExecuteTemplate(&text, name+".tmpl", impls); err != nil {
			return nil, err
		}
		formatted, err := format.Source(text.Bytes())
		if err != nil {
			return nil, err
		}
		files[name+"_generated.go"] = formatted
	}
	return files, nil
}

func main() {
	files, err := generated()
	if err != nil {
		log.Fatal("gen: ", err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join("worker", name), text, 0o644); err != nil {
			log.Fatal("gen: ", err)
		}
	}
}
