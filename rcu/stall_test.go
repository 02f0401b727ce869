package rcu_test

import (
	"path"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/rcu"
)

// registerHere is named in the reports.
func registerHere(d *rcu.Domain) *rcu.Reader { return d.Register() }

// Each reader that is inside for longer than the limit is reported once for each
// grace period, with the place where it was registered.
func TestStallIsReported(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		stalls := make(chan rcu.Stall, 10)
		d.OnStall(time.Second, func(s rcu.Stall) { stalls <- s })
		a, quick, b := registerHere(d), d.Register(), registerHere(d)
		for range 3 {
			quick.Lock()
			a.Lock()
			b.Lock()
			done := make(chan struct{})
			go func() {
				d.Synchronize()
				close(done)
			}()
			time.Sleep(time.Second / 2)
			quick.Unlock()
			time.Sleep(time.Second/2 - 1)
			synctest.Wait()
			require.Empty(t, stalls)
			time.Sleep(5 * time.Second)
			require.Len(t, stalls, 2)
			for range 2 {
				s := <-stalls
				require.Equal(t, "github.com/ferrule-go/ferrule/rcu_test.registerHere", s.Reader.Function)
				require.Equal(t, "stall_test.go", path.Base(s.Reader.File))
				require.GreaterOrEqual(t, s.Waited, time.Second)
				require.Less(t, s.Waited, time.Second+10*time.Millisecond)
				require.Regexp(t, `^rcu: the reader of \S+registerHere \(\S+stall_test.go:\d+\) has held up a grace period for 1.*s$`, s.String())
			}
			a.Unlock()
			b.Unlock()
			<-done
		}
	})
}

// Who polls is told as well.
func TestPassedReportsStalls(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		reports := 0
		d.OnStall(time.Second, func(rcu.Stall) { reports++ })
		r := d.Register()
		r.Lock()
		c := d.Snapshot()
		require.False(t, d.Passed(c))
		time.Sleep(time.Second)
		require.False(t, d.Passed(c))
		require.False(t, d.Passed(c))
		require.Equal(t, 1, reports)
		r.Unlock()
		require.True(t, d.Passed(c))
	})
}

// A borrowed reader is named by who borrowed it last.
func TestStallNamesTheCallOfRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d rcu.Domain
		var stalls []rcu.Stall
		d.Read(func() {})
		d.OnStall(time.Second, func(s rcu.Stall) { stalls = append(stalls, s) })
		d.Read(func() {
			c := d.Snapshot()
			require.False(t, d.Passed(c))
			time.Sleep(time.Second)
			require.False(t, d.Passed(c))
		})
		require.Len(t, stalls, 1)
		require.Contains(t, stalls[0].Reader.Function, "TestStallNamesTheCallOfRead")
		require.Equal(t, "stall_test.go", path.Base(stalls[0].Reader.File))
	})
}

func TestStallsAreReportedOnRequest(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		d.OnStall(time.Second, func(rcu.Stall) { t.Error("reported") })
		d.OnStall(0, nil)
		r := d.Register()
		r.Lock()
		returned := synchronizing(d)
		time.Sleep(5 * time.Second)
		require.False(t, returned())
		r.Unlock()
		require.True(t, returned())
	})
	require.PanicsWithValue(t, "rcu: stall limit 0s is not positive",
		func() { new(rcu.Domain).OnStall(0, func(rcu.Stall) {}) })
}
