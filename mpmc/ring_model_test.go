package mpmc_test

import (
	"testing"

	"github.com/ferrule-go/ferrule/internal/ringtest"
	"github.com/ferrule-go/ferrule/mpmc"
)

func newAt(capacity int, n uint64) ringtest.Ring[uint64] { return mpmc.NewAt[uint64](capacity, n) }

func TestModel(t *testing.T) { ringtest.Model(t, newAt) }

func FuzzModel(f *testing.F) { ringtest.FuzzModel(f, newAt) }
