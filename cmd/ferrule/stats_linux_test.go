package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// TestCollectWhileSomeAreBusy asks among others one whose queue of those who want
// to be heard is full.
func TestCollectWhileSomeAreBusy(t *testing.T) {
	dir := t.TempDir()
	want := someSnapshot()
	serveAt(t, filepath.Join(dir, "123.sock"), want)
	busy := filepath.Join(dir, "5.sock")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	require.NoError(t, err)
	defer unix.Close(fd)
	require.NoError(t, unix.Bind(fd, &unix.SockaddrUnix{Name: busy}))
	require.NoError(t, unix.Listen(fd, 0))
	for err == nil {
		var conn net.Conn
		if conn, err = net.Dial("unix", busy); err == nil {
			defer conn.Close()
		}
	}
	all, err := collect(t.Context(), dir)
	require.ErrorContains(t, err, "stats: ask "+busy)
	require.Equal(t, []snapshot{want}, all, "of those who answer")
	require.FileExists(t, busy, "it is no stale one")

	reply := httptest.NewRecorder()
	statsHandler(func(ctx context.Context) ([]snapshot, error) { return collect(ctx, dir) }).
		ServeHTTP(reply, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	require.Equal(t, http.StatusOK, reply.Code)
	require.Contains(t, reply.Body.String(), `{command="generate",pid="123"}`)
}
