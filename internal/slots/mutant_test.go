//go:build !race

package slots_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/mutant"
)

func TestMutants(t *testing.T) {
	mutant.Test(t, []mutant.Mutant{
		{Name: "structs hold no pointers", File: "layout.go", Caught: "TestHavePointers",
			Old: "\t\t\tif HavePointers(t.Field(i).Type) {\n\t\t\t\treturn true\n\t\t\t}\n", New: "\t\t\t_ = i\n"},
	})
}
