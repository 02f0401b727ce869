package rcu_test

import (
	"runtime"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/ferrule-go/ferrule/rcu"
)

func TestReadIsASection(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		for range 4 {
			enter, leave := make(chan struct{}), make(chan struct{})
			go d.Read(func() {
				close(enter)
				<-leave
			})
			<-enter
			returned := synchronizing(d)
			require.False(t, returned())
			d.Read(func() {})
			require.False(t, returned())
			close(leave)
			require.True(t, returned())
		}
	})
}

func TestReadWithinRead(t *testing.T) {
	var d rcu.Domain
	d.Read(func() {
		c := d.Snapshot()
		d.Read(func() { require.False(t, d.Passed(c)) })
		require.False(t, d.Passed(c))
	})
	d.Synchronize()
}

// However the section ends, it ends.
func TestReadEndsWithPanicOrExit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d rcu.Domain
		require.PanicsWithValue(t, "within", func() { d.Read(func() { panic("within") }) })
		go d.Read(runtime.Goexit)
		synctest.Wait()
		d.Synchronize()
	})
}

// However many read at a time, the readers that stay behind are few, and serve
// again.
func TestReadLeavesFewBehind(t *testing.T) {
	var d rcu.Domain
	for range 3 {
		var all, inside sync.WaitGroup
		leave := make(chan struct{})
		for range 500 {
			inside.Add(1)
			all.Go(func() {
				d.Read(func() {
					inside.Done()
					<-leave
				})
			})
		}
		inside.Wait()
		require.Equal(t, 500, d.Readers())
		close(leave)
		all.Wait()
		require.Equal(t, 72, d.Readers())
	}
	for range 1000 {
		d.Read(func() {})
	}
	require.Equal(t, 72, d.Readers())
}

// The quiescent-state style: one section from Online to Offline, cut by Quiesce.
func TestQuiesce(t *testing.T) {
	everyStart(t, func(t *testing.T, d *rcu.Domain) {
		r := d.Register()
		for range 4 {
			require.True(t, synchronizing(d)(), "offline")
			r.Online()
			returned := synchronizing(d)
			require.False(t, returned())
			r.Lock()
			r.Unlock()
			require.False(t, returned(), "within Online a section is nested")
			r.Quiesce()
			require.True(t, returned())
			r.Quiesce() // nothing has happened since

			returned = synchronizing(d)
			require.False(t, returned(), "another section has begun")
			r.Offline()
			require.True(t, returned())
		}
	})
}

func TestMisuseOfQuiescePanics(t *testing.T) {
	var d rcu.Domain
	r := d.Register()
	const quiesce = "rcu: Quiesce of a Reader that is offline or locked"
	const offline = "rcu: Offline of a Reader that is offline or locked"
	require.PanicsWithValue(t, quiesce, r.Quiesce)
	require.PanicsWithValue(t, offline, r.Offline)
	r.Lock()
	require.PanicsWithValue(t, "rcu: Online within a section", r.Online)
	require.PanicsWithValue(t, quiesce, r.Quiesce)
	require.PanicsWithValue(t, offline, r.Offline)
	r.Unlock()

	r.Online()
	require.PanicsWithValue(t, "rcu: Online within a section", r.Online)
	require.PanicsWithValue(t, "rcu: Close within a section", r.Close)
	r.Lock()
	require.PanicsWithValue(t, quiesce, r.Quiesce)
	require.PanicsWithValue(t, offline, r.Offline)
	r.Unlock()
	r.Unlock()
	require.PanicsWithValue(t, quiesce, r.Quiesce, "an Unlock too many")
	r.Lock()
	r.Offline()
	r.Close()
}
