//go:build amd64 && !race && !ferrule_strict

package spsc_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	_ "github.com/ferrule-go/ferrule/spsc" // the probe's: or the cache of test results would not see it change
)

// A push publishes its claim, too.
func TestInstancesElsewhereAreInlined(t *testing.T) {
	ringtest.Inlined(t, "TryPush", "TryPush", "push", "push", "TryPop", "pop")
}
