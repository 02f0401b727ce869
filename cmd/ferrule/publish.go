package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

// A snapshot is what a command that runs has counted so far. Its keys do not
// change their meaning; new ones may be added.
type snapshot struct {
	Command       string         `json:"command"`
	PID           int            `json:"pid"`
	UptimeSeconds float64        `json:"uptime_seconds"`
	Ports         []portReport   `json:"ports"`
	Traffic       *trafficReport `json:"traffic,omitempty"`
	Latency       *latencyReport `json:"latency,omitempty"`
}

func newSnapshot(command string, began time.Time, ports []portReport) snapshot {
	return snapshot{Command: command, PID: os.Getpid(), UptimeSeconds: time.Since(began).Seconds(), Ports: ports}
}

// statsDir is where each running command has a socket, named for its process.
func statsDir() string {
	if os.Geteuid() == 0 {
		return "/run/ferrule"
	}
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		return filepath.Join(dir, "ferrule")
	}
	return filepath.Join(os.TempDir(), fmt.Sprintf("ferrule-%d", os.Geteuid()))
}

// publish lets others ask for snapshots: "ferrule stats" by a socket, and if an
// address is given whoever scrapes it. The call that it returns ends that.
//
// A command that cannot have a socket runs nevertheless, and is not seen by stats.
// One that cannot have the address was asked for it, and fails.
func publish(command, address string, take func() snapshot) (unpublish func(), err error) {
	server := &http.Server{Handler: statsHandler(func(context.Context) ([]snapshot, error) { return []snapshot{take()}, nil }), ReadHeaderTimeout: time.Second}
	if address != "" {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return nil, fmt.Errorf("%s: --prometheus: %w", command, err)
		}
		go server.Serve(l)
	}
	if l, err := listenForStats(statsDir()); err == nil {
		go server.Serve(l)
	}
	return func() {
		// Whoever asks right now gets an answer first: it is of what is going on.
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			server.Close()
		}
	}, nil
}

// listenForStats makes the socket of this process. Only its user can open it.
func listenForStats(dir string) (net.Listener, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(dir, 0o700); err != nil { // it is not ours
		return nil, err
	}
	name := filepath.Join(dir, strconv.Itoa(os.Getpid())+".sock")
	if l, err := net.Listen("unix", name); err == nil {
		return l, nil
	}
	// That is left from an earlier process of this number.
	if err := os.Remove(name); err != nil {
		return nil, err
	}
	return net.Listen("unix", name)
}

// statsHandler serves /metrics for Prometheus and / for stats.
func statsHandler(take func(context.Context) ([]snapshot, error)) http.Handler {
	mux := http.NewServeMux()
	serve := func(kind string, write func(http.ResponseWriter, []snapshot) error) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			all, err := take(r.Context())
			if err != nil && len(all) == 0 { // else those who answered
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", kind)
			_ = write(w, all) // to one who has gone
		}
	}
	mux.HandleFunc("GET /metrics", serve("text/plain; version=0.0.4; charset=utf-8", func(w http.ResponseWriter, all []snapshot) error {
		return writeMetrics(w, all)
	}))
	mux.HandleFunc("GET /{$}", serve("application/json", func(w http.ResponseWriter, all []snapshot) error {
		return json.NewEncoder(w).Encode(all)
	}))
	return mux
}

// collect asks every command that runs, all at once, and returns the answers in
// the order of their processes. The error is of those that gave none.
func collect(ctx context.Context, dir string) ([]snapshot, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.sock"))
	if err != nil {
		return nil, err
	}
	answers, failures := make([][]snapshot, len(names)), make([]error, len(names))
	var asking sync.WaitGroup
	for i, name := range names {
		asking.Go(func() { answers[i], failures[i] = askUnlessGone(ctx, name) })
	}
	asking.Wait()
	all := []snapshot{}
	for _, s := range answers {
		all = append(all, s...)
	}
	return all, errors.Join(failures...)
}

// askUnlessGone returns nothing for a command that has ended, before it was asked
// or meanwhile. The socket of one that was killed it removes.
func askUnlessGone(ctx context.Context, name string) ([]snapshot, error) {
	s, err := ask(ctx, name)
	switch {
	case err == nil:
		return s, nil
	case isRefused(err): // and not one whose queue is full
		os.Remove(name)
		return nil, nil
	case errors.Is(err, os.ErrNotExist), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isReset(err):
		return nil, nil
	}
	return nil, fmt.Errorf("stats: ask %s: %w", name, err)
}

// askLimit is for a command whose workers leave it little time.
const askLimit = 3 * time.Second

func ask(ctx context.Context, name string) (s []snapshot, err error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", name)
		},
	}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://ferrule/", nil)
	if err != nil {
		return nil, err
	}
	reply, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer reply.Body.Close()
	return s, json.NewDecoder(reply.Body).Decode(&s)
}
