package main

import (
	"context"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPairLinks(t *testing.T) {
	require.Empty(t, pairLinks(0))
	require.Empty(t, pairLinks(1))
	require.Equal(t, []Link{{0, 1}}, pairLinks(2))
	require.Equal(t, []Link{{0, 1}, {2, 3}}, pairLinks(5))
}

func TestParseLink(t *testing.T) {
	l, err := parseLink("2:10")
	require.NoError(t, err)
	require.Equal(t, Link{2, 10}, l)
	for _, text := range []string{"", "1", "1:", ":1", "0-1", "a:b", "0:1:2", "0 : 1"} {
		_, err := parseLink(text)
		require.EqualError(t, err, `read link "`+text+`": want two card numbers, as in 0:1`)
	}
}

func TestWhereCardsAre(t *testing.T) {
	require.Equal(t, "0000:00:10.0", cardAddress(0))
	require.Equal(t, "0000:00:1e.0", cardAddress(maxCards-1))
	require.Equal(t, "52:54:00:12:34:0e", cardMAC(maxCards-1))
}

func TestConfigThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{}, "run: no command (put it after --, as in: ferrule-vm -- ferrule devices)"},
		{Config{Cards: 16}, "put in 16 cards: there is room for 0 to 15"},
		{Config{Cards: -1}, "put in -1 cards: there is room for 0 to 15"},
		{Config{CPUs: -1}, "put in -1 processors: there is room for 1 to 255"},
		{Config{HugePages: -1}, "reserve -1 huge pages: want 0 or more"},
		{Config{HugePages: 385}, "put in 1024 MiB of memory: 385 huge pages and the system want 1026 MiB (see --memory, --hugepages)"},
		{Config{Cards: 2, Links: []Link{{0, 2}}}, "link 0:2: there is no card 2: they are 0 to 1 (see --cards)"},
		{Config{Cards: 2, Links: []Link{{-1, 0}}}, "link -1:0: there is no card -1: they are 0 to 1 (see --cards)"},
		{Config{Links: []Link{{0, 1}}}, "link 0:1: there is no card 0: there is none (see --cards)"},
		{Config{Cards: 2, Links: []Link{{1, 1}}}, "link 1:1: card 1 is at the end of a link already"},
		{Config{Cards: 3, Links: []Link{{0, 1}, {2, 0}}}, "link 2:0: card 0 is at the end of a link already"},
		{Config{Cards: 2, KernelCards: []int{2}}, "leave card 2 to the kernel: there is no card 2: they are 0 to 1 (see --cards)"},
		{Config{Env: []string{"A"}}, `set "A" in the environment: want NAME=VALUE`},
	} {
		if c.want != "run: no command (put it after --, as in: ferrule-vm -- ferrule devices)" {
			c.cfg.Command = []string{"true"}
		}
		_, err := c.cfg.withDefaults()
		require.EqualError(t, err, c.want)
	}
	full := Config{Command: []string{"true"}, Cards: maxCards, HugePages: 384, KernelCards: []int{0, 14}}
	cfg, err := full.withDefaults()
	require.NoError(t, err)
	require.Len(t, cfg.Links, 7)
}

func TestNoLinksIsNotTheDefault(t *testing.T) {
	cfg, err := Config{Command: []string{"true"}, Cards: 4, Links: []Link{}}.withDefaults()
	require.NoError(t, err)
	require.Empty(t, cfg.Links)
}

// hubOf returns the hub that each card is on.
func hubOf(args []string) map[string]string {
	hubs := map[string]string{}
	for _, a := range args {
		if rest, ok := strings.CutPrefix(a, "hubport,id="); ok {
			card, hub, _ := strings.Cut(rest, ",hubid=")
			hubs[card] = hub
		}
	}
	return hubs
}

func TestLinksBecomeHubs(t *testing.T) {
	cfg, err := Config{Command: []string{"true"}, Cards: 5, Links: []Link{{3, 0}, {2, 1}}}.withDefaults()
	require.NoError(t, err)
	hubs := hubOf(qemuArgs(kernel{}, cfg))
	require.Len(t, hubs, 5)
	for _, joined := range []Link{{3, 0}, {2, 1}} {
		require.Equal(t, hubs["net"+string(rune('0'+joined.A))], hubs["net"+string(rune('0'+joined.B))])
	}
	distinct := map[string]bool{}
	for _, hub := range hubs {
		distinct[hub] = true
	}
	require.Len(t, distinct, 3, "two wires and a card by itself")
}

// parse returns what the command line makes of args.
func parse(args ...string) (cfg Config, ran bool, err error) {
	cmd := command(func(_ context.Context, c Config) error {
		cfg, ran = c, true
		return nil
	})
	cmd.SetArgs(args)
	cmd.SetOut(io.Discard)
	err = cmd.ExecuteContext(context.Background())
	return cfg, ran, err
}

func TestCommandLine(t *testing.T) {
	cfg, _, err := parse("--cards", "4", "--link", "0:3", "--link", "1:2", "--kernel-driver", "0,3", "--module", "veth",
		"--cpus", "4", "--memory", "2048", "--hugepages", "8", "--env", "A=b,c", "--env", "D=e=f", "--qemu", "q",
		"--timeout", "90s", "--", "ip", "--json", "link")
	require.NoError(t, err)
	require.Equal(t, []string{"ip", "--json", "link"}, cfg.Command)
	require.Equal(t, []Link{{0, 3}, {1, 2}}, cfg.Links)
	require.Equal(t, []int{0, 3}, cfg.KernelCards)
	require.Equal(t, []string{"veth"}, cfg.Modules)
	require.Equal(t, []string{"A=b,c", "D=e=f"}, cfg.Env)
	require.Equal(t, []int{4, 4, 2048, 8}, []int{cfg.Cards, cfg.CPUs, cfg.Memory, cfg.HugePages})
	require.Equal(t, "q", cfg.QEMU)
	require.Equal(t, 90*time.Second, cfg.Timeout)
	require.Nil(t, cfg.Console)
}

// TestCommandKeepsItsFlags has no -- between ours and the command's.
func TestCommandKeepsItsFlags(t *testing.T) {
	cfg, _, err := parse("--verbose", "ls", "--verbose", "--", "x")
	require.NoError(t, err)
	require.Equal(t, []string{"ls", "--verbose", "--", "x"}, cfg.Command)
	require.Equal(t, io.Writer(os.Stderr), cfg.Console)
}

func TestCommandLineThatCannotBe(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"--nosuch", "--", "true"}, "unknown flag: --nosuch"},
		{[]string{"--link", "0", "--", "true"}, `read link "0": want two card numbers, as in 0:1`},
		{[]string{"--cards", "two", "--", "true"}, `invalid argument "two" for "--cards" flag: strconv.ParseInt: parsing "two": invalid syntax`},
	} {
		_, ran, err := parse(c.args...)
		require.EqualError(t, err, c.want)
		require.False(t, ran)
	}
	_, ran, err := parse("--help")
	require.NoError(t, err)
	require.False(t, ran)
}

// TestExitStatus runs the program where it comes to no machine.
func TestExitStatus(t *testing.T) {
	program := filepath.Join(t.TempDir(), "ferrule-vm")
	out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput()
	require.NoError(t, err, "%s", out)
	for _, c := range []struct {
		args   []string
		status int
		stdout string
		stderr string
	}{
		{[]string{"--help"}, 0, "Boot a Debian kernel under QEMU", ""},
		{[]string{"--nosuch"}, 125, "", "ferrule-vm: unknown flag: --nosuch\n"},
		{[]string{"--cards", "16", "--", "true"}, 125, "", "ferrule-vm: put in 16 cards: there is room for 0 to 15\n"},
	} {
		var stdout, stderr strings.Builder
		cmd := exec.Command(program, c.args...)
		cmd.Stdout, cmd.Stderr = &stdout, &stderr
		_ = cmd.Run()
		require.Equal(t, c.status, cmd.ProcessState.ExitCode(), "%v", c.args)
		require.True(t, strings.HasPrefix(stdout.String(), c.stdout), stdout.String())
		require.Equal(t, c.stderr, stderr.String())
	}
}
