//go:build amd64 && !race && !ferrule_strict

package mpmc_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	_ "github.com/ferrule-go/ferrule/mpmc" // the probe's: or the cache of test results would not see it change
)

func TestInstancesElsewhereAreInlined(t *testing.T) { ringtest.Inlined(t, "TryPush", "TryPop") }
