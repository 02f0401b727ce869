package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

const statsHelp = `Show what the commands that run have counted: forward, generate and capture, of
this user. On a terminal the table is written anew every second, until Ctrl-C;
elsewhere it is written once.

With --prometheus the counters of all of them are served at an address, at
/metrics, until Ctrl-C. forward, generate and capture have the same flag, for
their own counters.`

const statsExample = `  ferrule stats
  ferrule stats --json
  ferrule stats --prometheus :9100`

func newStats() *cobra.Command {
	var address string
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "stats [PID]",
		Short:   "Show the counters of the commands that run",
		Long:    statsHelp,
		Example: statsExample,
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			take, err := statsOf(args)
			switch {
			case err != nil:
				return err
			case address != "":
				return serveStats(cmd.Context(), address, take)
			case asJSON:
				all, err := take(cmd.Context())
				return errors.Join(err, writeJSON(os.Stdout, all))
			}
			return showStats(cmd.Context(), os.Stdout, take)
		},
	}
	cmd.Flags().StringVar(&address, "prometheus", "", "serve the counters in the text format of Prometheus at this `address`, as :9100")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array, of an object for each command")
	return cmd
}

// statsOf returns what takes snapshots: of all commands, or of one process.
func statsOf(args []string) (func(context.Context) ([]snapshot, error), error) {
	all := func(ctx context.Context) ([]snapshot, error) { return collect(ctx, statsDir()) }
	if len(args) == 0 {
		return all, nil
	}
	pid, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, fmt.Errorf("stats: %q is no process number", args[0])
	}
	return func(ctx context.Context) ([]snapshot, error) {
		found, err := all(ctx)
		found = slices.DeleteFunc(found, func(s snapshot) bool { return s.PID != pid })
		switch {
		case len(found) > 0:
			return found, nil // whatever became of others
		case err == nil:
			err = fmt.Errorf("stats: process %d is no forward, generate or capture of this user", pid)
		}
		return found, err
	}, nil
}

func serveStats(ctx context.Context, address string, take func(context.Context) ([]snapshot, error)) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("stats: --prometheus: %w", err)
	}
	server := &http.Server{Handler: statsHandler(take), ReadHeaderTimeout: time.Second}
	defer context.AfterFunc(ctx, func() { server.Close() })()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("stats: --prometheus: %w", err)
	}
	return nil
}

// showStats writes a table, on a terminal again and again. There it goes on if
// somebody does not answer, and says so.
func showStats(ctx context.Context, out *os.File, take func(context.Context) ([]snapshot, error)) error {
	now, err := take(ctx)
	if len(now) == 0 && err != nil {
		return err
	}
	if !isTerminal(out) {
		return errors.Join(err, tell(out, func(w io.Writer) { writeStats(w, now, nil) }))
	}
	second := time.NewTicker(time.Second)
	defer second.Stop()
	fmt.Fprint(out, "\x1b[2J")
	for before := []snapshot(nil); ctx.Err() == nil; now, err = take(ctx) {
		err := tell(out, func(w io.Writer) {
			fmt.Fprint(w, "\x1b[H\x1b[J")
			writeStats(w, now, before)
			if err != nil {
				fmt.Fprintln(w, err)
			}
		})
		if err != nil {
			return err
		}
		before = now
		select {
		case <-ctx.Done():
		case <-second.C:
		}
	}
	return nil
}

// writeStats writes a row for each port. Rates are of the time since before, or
// of all the time for who was not there.
func writeStats(w io.Writer, now, before []snapshot) {
	if len(now) == 0 {
		fmt.Fprintln(w, "No forward, generate or capture of this user is running.")
		return
	}
	rows := [][]string{{"pid", "command", "port", "rx", "tx", "rx packets", "tx packets", "dropped", "missed", "errors", "seconds"}}
	for _, s := range now {
		old := snapshot{Ports: make([]portReport, len(s.Ports))}
		if i := slices.IndexFunc(before, func(b snapshot) bool { return b.PID == s.PID && len(b.Ports) == len(s.Ports) }); i >= 0 {
			old = before[i]
		}
		time := s.UptimeSeconds - old.UptimeSeconds
		for i, p := range s.Ports {
			rate := func(n, before uint64) string { return scaled(ratio(float64(n-before), time), "pps") }
			o := old.Ports[i]
			rows = append(rows, []string{
				strconv.Itoa(s.PID), s.Command, p.Port, rate(p.RxPackets, o.RxPackets), rate(p.TxPackets, o.TxPackets),
				grouped(p.RxPackets), grouped(p.TxPackets), grouped(p.Dropped), grouped(p.Missed), grouped(p.Errors), fmt.Sprintf("%.0f", s.UptimeSeconds),
			})
		}
	}
	writeTable(w, rows, true)
	for _, s := range now {
		if s.Traffic != nil && s.Latency != nil {
			fmt.Fprintf(w, "%d: %s lost  %s duplicated  %s reordered  latency p50 %s  p99 %s  max %s\n", s.PID, grouped(s.Traffic.Lost), grouped(s.Traffic.Duplicated),
				grouped(s.Traffic.Reordered), brief(int64(s.Latency.at(50))), brief(int64(s.Latency.at(99))), brief(s.Latency.MaxNs))
		}
	}
}
