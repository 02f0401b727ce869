package main

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// A metric is one that Prometheus knows by its name.
type metric struct{ name, kind, help string }

var portMetrics = []struct {
	metric
	value func(*counts) uint64
}{
	{metric{"ferrule_receive_packets_total", "counter", "Frames received."}, func(c *counts) uint64 { return c.RxPackets }},
	{metric{"ferrule_receive_bytes_total", "counter", "Bytes received, without preamble and FCS."}, func(c *counts) uint64 { return c.RxBytes }},
	{metric{"ferrule_transmit_packets_total", "counter", "Frames sent."}, func(c *counts) uint64 { return c.TxPackets }},
	{metric{"ferrule_transmit_bytes_total", "counter", "Bytes sent, without preamble and FCS."}, func(c *counts) uint64 { return c.TxBytes }},
	{metric{"ferrule_dropped_packets_total", "counter", "Frames received and not sent on."}, func(c *counts) uint64 { return c.Dropped }},
	{metric{"ferrule_missed_packets_total", "counter", "Frames lost by the card: no descriptor and no room."}, func(c *counts) uint64 { return c.Missed }},
	{metric{"ferrule_error_packets_total", "counter", "Frames refused by the card or its driver."}, func(c *counts) uint64 { return c.Errors }},
}

var trafficMetrics = []struct {
	metric
	value func(*trafficReport) uint64
}{
	{metric{"ferrule_generated_lost_packets_total", "counter", "Generated frames that a later one of their flow has passed."}, func(r *trafficReport) uint64 { return r.Lost }},
	{metric{"ferrule_generated_duplicated_packets_total", "counter", "Generated frames that came back again."}, func(r *trafficReport) uint64 { return r.Duplicated }},
	{metric{"ferrule_generated_reordered_packets_total", "counter", "Generated frames that came back after a later one of their flow."}, func(r *trafficReport) uint64 { return r.Reordered }},
	{metric{"ferrule_generated_damaged_packets_total", "counter", "Generated frames that came back changed."}, func(r *trafficReport) uint64 { return r.Damaged }},
}

var (
	uptimeMetric  = metric{"ferrule_uptime_seconds", "gauge", "How long the command has run."}
	latencyMetric = metric{"ferrule_latency_seconds", "summary", "How long generated frames took to come back."}
)

// writeMetrics writes snapshots in the text format of Prometheus, version 0.0.4.
func writeMetrics(w io.Writer, all []snapshot) error {
	var out bytes.Buffer
	uptimeMetric.head(&out)
	for _, s := range all {
		fmt.Fprintf(&out, "%s{%s} %s\n", uptimeMetric.name, s.labels(), seconds(s.UptimeSeconds))
	}
	for _, m := range portMetrics {
		m.head(&out)
		for _, s := range all {
			for _, p := range s.Ports {
				fmt.Fprintf(&out, "%s{%s,port=\"%s\"} %d\n", m.name, s.labels(), escape(p.Port), m.value(&p.counts))
			}
		}
	}
	for _, m := range trafficMetrics {
		m.head(&out)
		for _, s := range all {
			if s.Traffic != nil {
				fmt.Fprintf(&out, "%s{%s} %d\n", m.name, s.labels(), m.value(s.Traffic))
			}
		}
	}
	latencyMetric.head(&out)
	for _, s := range all {
		if s.Latency != nil {
			s.writeLatency(&out)
		}
	}
	_, err := w.Write(out.Bytes())
	return err
}

func (m metric) head(w io.Writer) {
	fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", m.name, m.help, m.name, m.kind)
}

func (s *snapshot) writeLatency(w io.Writer) {
	for _, p := range s.Latency.Percentiles {
		quantile := strconv.FormatFloat(p.Percent/100, 'g', 6, 64)
		fmt.Fprintf(w, "%s{%s,quantile=\"%s\"} %s\n", latencyMetric.name, s.labels(), quantile, seconds(float64(p.Ns)/1e9))
	}
	fmt.Fprintf(w, "%s_sum{%s} %s\n", latencyMetric.name, s.labels(), seconds(s.Latency.MeanNs*float64(s.Latency.Samples)/1e9))
	fmt.Fprintf(w, "%s_count{%s} %d\n", latencyMetric.name, s.labels(), s.Latency.Samples)
}

func (s *snapshot) labels() string {
	return fmt.Sprintf("command=\"%s\",pid=\"%d\"", escape(s.Command), s.PID)
}

func seconds(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// escape makes a label's value of a text.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(text)
}
