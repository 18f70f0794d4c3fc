package metrics

import (
	"runtime"
	"time"
)

// writeProgram writes the metrics of the program, under the names that Prometheus' library for Go gives them.
func writeProgram(w *Writer, version string) {
	w.Family("mailpub_build_info", Gauge, "The version of mailpub, and the Go version that built it.")
	w.Sample(1, "goversion", runtime.Version(), "version", version)

	w.Family("go_info", Gauge, "Information about the Go environment.")
	w.Sample(1, "version", runtime.Version())
	w.Single("go_goroutines", Gauge, "Number of goroutines that currently exist.",
		float64(runtime.NumGoroutine()))

	w.Single("go_sched_gomaxprocs_threads", Gauge, "The current runtime.GOMAXPROCS setting.",
		float64(runtime.GOMAXPROCS(0)))

	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	w.Single("go_memstats_alloc_bytes", Gauge,
		"Number of bytes allocated in heap and currently in use.", float64(m.Alloc))

	w.Single("go_memstats_mallocs_total", Counter, "Total number of heap objects allocated.",
		float64(m.Mallocs))

	w.Single("go_memstats_heap_inuse_bytes", Gauge, "Number of heap bytes that are in use.",
		float64(m.HeapInuse))

	w.Single("go_memstats_heap_objects", Gauge, "Number of currently allocated objects.",
		float64(m.HeapObjects))

	w.Single("go_memstats_stack_inuse_bytes", Gauge,
		"Number of bytes in use by the stack allocator.", float64(m.StackInuse))

	w.Single("go_memstats_sys_bytes", Gauge, "Number of bytes obtained from system.",
		float64(m.Sys))

	w.Single("go_memstats_next_gc_bytes", Gauge,
		"Number of heap bytes when next garbage collection will take place.", float64(m.NextGC))

	w.Single("go_gc_cycles_total", Counter, "Number of completed garbage collections.",
		float64(m.NumGC))

	w.Single("go_gc_pause_seconds_total", Counter,
		"Time that garbage collections stopped the program.",
		time.Duration(m.PauseTotalNs).Seconds())

	if p, ok := readProcess(); ok {
		p.write(w)
	}
}

// process is what the operating system knows of this program. Sizes are in bytes.
type process struct {
	cpu         time.Duration
	start       time.Time
	resident    float64
	virtual     float64
	openFiles   float64
	mostFiles   float64 // 0: not limited, or not known
	threadCount float64
}

func (p process) write(w *Writer) {
	w.Single("process_cpu_seconds_total", Counter,
		"Total user and system CPU time spent in seconds.", p.cpu.Seconds())

	w.Single("process_start_time_seconds", Gauge,
		"Start time of the process since unix epoch in seconds.",
		float64(p.start.UnixMilli())/1e3)

	w.Single("process_resident_memory_bytes", Gauge, "Resident memory size in bytes.",
		p.resident)

	w.Single("process_virtual_memory_bytes", Gauge, "Virtual memory size in bytes.", p.virtual)
	w.Single("process_open_fds", Gauge, "Number of open file descriptors.", p.openFiles)
	if p.mostFiles > 0 {
		w.Single("process_max_fds", Gauge, "Maximum number of open file descriptors.",
			p.mostFiles)
	}

	w.Single("go_threads", Gauge, "Number of OS threads created.", p.threadCount)
}
