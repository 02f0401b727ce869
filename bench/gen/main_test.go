package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestWhatIsGeneratedIsNew(t *testing.T) {
	files, err := generated()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("..", "worker", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("worker/%s is not what gen writes (%v): go generate ./...", name, err)
		}
	}
}
