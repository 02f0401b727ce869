package subject

import (
	"os"
	"testing"

	"github.com/ferrule-go/ferrule/internal/mutant"
)

func TestSum(t *testing.T) {
	if got := Sum(1, 2, 3); got != 6 {
		t.Errorf("Sum = %d, want 6", got)
	}
}

func TestLax(t *testing.T) {
	if got := Sum(1); got != 1 {
		t.Errorf("Sum = %d, want 1", got)
	}
}

// TestOne tries the mutant that the environment describes.
func TestOne(t *testing.T) {
	mutant.Test(t, []mutant.Mutant{{Name: "one", File: "sum.go",
		Old: os.Getenv("OLD"), New: os.Getenv("NEW"), Caught: os.Getenv("CAUGHT")}})
}
