package shm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"github.com/ferrule-go/ferrule/spinlock"
	"github.com/ferrule-go/ferrule/spsc/shm"
)

// Both roles may be taken in one process, too.
func Example() {
	ring, err := shm.Create(4096)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ring.Close()
	producer, err := ring.Producer()
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		defer producer.Close()
		for _, word := range []string{"syn", "ack", "fin"} {
			if producer.Push(context.Background(), []byte(word)) != nil {
				return
			}
		}
	}()

	consumer, err := ring.Consumer()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer consumer.Close()
	for {
		record, err := consumer.Pop(context.Background(), nil) // asleep until there is one
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(string(record))
	}
	// Output:
	// syn
	// ack
	// fin
	// shm: ring is closed
}

// One process makes the ring and hands its files to another, which it starts: this
// program again, to call produce.
func ExampleRing() {
	ring, err := shm.Create(4096)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ring.Close()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "FERRULE_SHM_ROLE=example")
	child.ExtraFiles = ring.Files()
	if err := child.Start(); err != nil {
		fmt.Println(err)
		return
	}

	consumer, err := ring.Consumer()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer consumer.Close()
	for {
		record, err := consumer.Pop(context.Background(), nil)
		if err != nil { // it has closed; had it died instead, this would be ErrGone
			fmt.Println(err)
			break
		}
		fmt.Println(string(record))
	}
	fmt.Println("child:", child.Wait())
	// Output:
	// syn
	// ack
	// shm: ring is closed
	// child: <nil>
}

// produce is the other process: the first of the ExtraFiles is file 3.
func produce() error {
	ring, err := shm.Open([]*os.File{os.NewFile(3, "memory"), os.NewFile(4, "event"), os.NewFile(5, "event")})
	if err != nil {
		return err
	}
	producer, err := ring.Producer()
	if err != nil {
		return err
	}
	for _, word := range []string{"syn", "ack"} {
		if err := producer.Push(context.Background(), []byte(word)); err != nil {
			return err
		}
	}
	return errors.Join(producer.Close(), ring.Close())
}

// A Producer waits for room: here there is some for two of the largest records.
func ExampleProducer() {
	ring, err := shm.Create(32)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ring.Close()
	producer, err := ring.Producer()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer producer.Close()
	record := make([]byte, producer.Max())
	for range 2 {
		if ok, err := producer.TryPush(record); !ok || err != nil {
			fmt.Println("full", err)
		}
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(producer.Push(ctx, record)) // nobody comes for the others
	// Output: context deadline exceeded
}

// A Consumer that polls other things as well asks and does not wait.
func ExampleConsumer() {
	ring, err := shm.Create(4096)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ring.Close()
	consumer, err := ring.Consumer()
	if err != nil {
		fmt.Println(err)
		return
	}
	defer consumer.Close()
	producer, err := ring.Producer()
	if err != nil {
		fmt.Println(err)
		return
	}
	go func() {
		defer producer.Close()
		_ = producer.Push(context.Background(), []byte("hello")) // there is room
	}()

	buf := make([]byte, producer.Max()) // used for every record
	var nothing spinlock.Backoff
	for {
		record, ok, err := consumer.TryPop(buf)
		if err != nil {
			fmt.Println(err)
			return
		}
		if ok {
			fmt.Printf("%s\n", record)
			return
		}
		nothing.Wait() // or poll something else
	}
	// Output: hello
}
