package mutant_test

import (
	"os"
	"os/exec"
	"testing"

	"github.com/stretchr/testify/require"
)

// The judge is judged: it passes a mutant that is caught by the test it names,
// and fails for every other reason there is.
func TestVerdicts(t *testing.T) {
	for _, c := range []struct{ name, old, new, caught, says string }{
		{"caught", "sum += v", "sum = v", "TestSum", "PASS"},
		{"crash caught", "sum += v", `panic(v)`, "TestSum", "PASS"},
		{"not caught", "sum += v", "sum = v", "TestLax", "TestLax passes"},
		{"no such test", "sum += v", "sum = v", "TestSun", "TestSun passes"},
		{"does not build", "sum += v", "sum += w", "TestSum", "something else does"},
		{"does not fit", "sum -= v", "sum = v", "TestSum", "has 0 times, want once"},
		{"fits twice", "Sum", "Add", "TestSum", "has 2 times, want once"},
		{"changes nothing", "sum += v", "sum += v", "TestSum", "want once"},
	} {
		t.Run(c.name, func(t *testing.T) {
			test := exec.Command("go", "test", "-count=1", "-run=TestOne", "-v", ".")
			test.Dir = "testdata/subject"
			test.Env = append(os.Environ(), "GOFLAGS=", "FERRULE_MUTANTS=all", "OLD="+c.old, "NEW="+c.new, "CAUGHT="+c.caught)
			out, err := test.CombinedOutput()
			require.Equal(t, c.says == "PASS", err == nil, "%s", out)
			require.Contains(t, string(out), c.says)
		})
	}
}
