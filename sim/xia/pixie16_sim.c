/* A simulated crate behind the C interface of XIA's SDK for the Pixie-16.
 *
 * Own code: the interface and the rules of the parameters are facts about XIA's SDK, no line is taken from it.
 * README.md beside this file says what is simulated, what is not, and how faults are requested.
 *
 * Theory of operation. Nothing runs in the background. Each call first brings the modules from the time of the last
 * call to now, in slices of 1 ms: hits become triggers, events and records; records go into the module's FIFO, or are
 * lost when it is full; every 5 ms the worker of the SDK moves blocks of at most 8192 words from the FIFO into the
 * host's queue, as fast as the bus allows. The user's calls take words from the queue. Between two calls nobody can
 * tell the difference to threads, and a given sequence of calls costs only what its data cost.
 */

#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define API __attribute__((visibility("default")))

typedef unsigned short u16;
typedef uint32_t u32;
typedef uint64_t u64;

enum {
    MODULES = 13, FIRST_SLOT = 2, LAST_SLOT = 14, CHANNELS = 32, BINS = 32768,
    FIFO_WORDS = 131072, BLOCK = 8192, TRIGGER_LEVEL = 1024, SCOPE = 8192, FIFO_LENGTH = 20470, H_SAMPLES = 4000,
    STATISTICS = 448, FAULTS = 64
};
static const double SLICE = 1e6, WORKER = 5e6, HOLD = 10e6; /* ns */

/* ---- errors ------------------------------------------------------------------------------------------------- */

static const struct { int code; const char *text; } ERRORS[] = {
    {0, "success"}, {100, "crate already open"}, {101, "crate not ready"}, {102, "invalid system parameter"},
    {200, "invalid module number"}, {201, "invalid module count"}, {202, "module already open"},
    {203, "module failed to close"}, {204, "module offline"}, {205, "module information failure"},
    {206, "invalid module operation"}, {207, "invalid module firmware"}, {208, "module initialization failure"},
    {209, "invalid module parameter"}, {210, "invalid module variable"}, {211, "module parameter disabled"},
    {212, "module parameter is readonly"}, {213, "module parameter is writeonly"}, {214, "module task timeout"},
    {215, "invalid module slot number"}, {216, "module not found"}, {217, "module test invalid"},
    {218, "module data run is active"}, {300, "invalid channel number"}, {301, "invalid channel parameter"},
    {302, "invalid channel variable"}, {303, "invalid channel variable"}, {304, "invalid channel index"},
    {305, "channel parameter is readonly"}, {306, "channel parameter is writeonly"}, {400, "invalid header length"}, {401, "invalid firmware revision id"},
    {402, "invalid firmware frequency"}, {403, "invalid element"}, {404, "invalid data length"},
    {405, "invalid event length"}, {406, "invalid buffer"}, {407, "invalid cfd fractional time"}, {408, "invalid slot"},
    {500, "device failed to load"},
    {501, "device failed to boot"}, {502, "device failed to initialize"}, {503, "device variable copy failed"},
    {504, "device image failure"}, {505, "device hardware failure"}, {506, "device dma failure"},
    {507, "device dma busy"}, {508, "device fifo failure"}, {509, "device eeprom failure"}, {510, "device eeprom bad type"},
    {511, "device eeprom tag not found"}, {600, "invalid config parameter"},
    {601, "config parameter not found"}, {602, "config json error"}, {700, "file not found"},
    {701, "file open failure"}, {702, "file read failure"}, {703, "invalid file size"}, {704, "file create failure"}, {705, "file close failure"},
    {800, "no memory"}, {801, "invalid slot map"}, {802, "invalid value"}, {803, "not supported"}, {804, "buffer pool empty"}, {805, "buffer pool not empty"}, {806, "buffer pool bust"},
    {807, "buffer pool not enough"},
    {900, "unknown error"}, {901, "internal failure"}, {902, "bad allocation"}, {903, "read only"}, {990, "bad error code"},
};

/* ---- variables of the signal processor -------------------------------------------------------------------------- */

#define CHANNEL_VARIABLES(X) \
    X(BLcut) X(BaselinePercent) X(CFDDelay) X(CFDScale) X(CFDThresh) X(ChanCSRa) X(ChanCSRb) X(ChanTrigStretch) \
    X(DigGain) X(EnergyLow) X(ExtTrigStretch) X(ExternDelayLen) X(FastGap) X(FastLength) X(FastThresh) \
    X(FastTrigBackLen) X(FtrigoutDelay) X(GainDAC) X(Integrator) X(Log2Bweight) X(Log2Ebin) X(MultiplicityMaskH) \
    X(MultiplicityMaskL) X(OffsetDAC) X(PAFlength) X(PSAlength) X(PSAoffset) X(PeakSample) X(PeakSep) X(PreampTau) \
    X(QDCLen0) X(QDCLen1) X(QDCLen2) X(QDCLen3) X(QDCLen4) X(QDCLen5) X(QDCLen6) X(QDCLen7) X(ResetDelay) \
    X(SlowGap) X(SlowLength) X(ThreshWidth) X(TraceLength) X(TrigOutLen) X(TriggerDelay) X(VetoStretch) X(Xavg) \
    X(Xwait)
#define ENUM(name) name,
#define TEXT(name) #name,
enum channel_variable { CHANNEL_VARIABLES(ENUM) VARIABLES };
static const char *const VARIABLE[] = {CHANNEL_VARIABLES(TEXT)};

enum {
    ChanNum, CoincPattern, CoincWait, ControlTask, CrateID, FIFOLength, FastFilterRange, FastTrigBackplaneEna, HostIO,
    HostRunTimePreset = HostIO + 16, InSynch, MaxEvents, ModCSRA, ModCSRB, ModFormat, ModID, ModNum, Resume, RunTask,
    SlotID, SlowFilterRange, SynchWait, TrigConfig, U00 = TrigConfig + 4, UserIn = U00 + 7,
    MODULE_VARIABLES = UserIn + 16
};
static const struct { const char *name; int at, count; } MODULE_VARIABLE[] = {
    {"ChanNum", ChanNum, 1}, {"CoincPattern", CoincPattern, 1}, {"CoincWait", CoincWait, 1},
    {"ControlTask", ControlTask, 1}, {"CrateID", CrateID, 1}, {"FIFOLength", FIFOLength, 1},
    {"FastFilterRange", FastFilterRange, 1}, {"FastTrigBackplaneEna", FastTrigBackplaneEna, 1}, {"HostIO", HostIO, 16},
    {"HostRunTimePreset", HostRunTimePreset, 1}, {"InSynch", InSynch, 1}, {"MaxEvents", MaxEvents, 1},
    {"ModCSRA", ModCSRA, 1}, {"ModCSRB", ModCSRB, 1}, {"ModFormat", ModFormat, 1}, {"ModID", ModID, 1},
    {"ModNum", ModNum, 1}, {"Resume", Resume, 1}, {"RunTask", RunTask, 1}, {"SlotID", SlotID, 1},
    {"SlowFilterRange", SlowFilterRange, 1}, {"SynchWait", SynchWait, 1}, {"TrigConfig", TrigConfig, 4},
    {"U00", U00, 7}, {"UserIn", UserIn, 16},
};

/* The bit of ModCSRB of the module that starts and ends the run of all. */
enum { RUN_LEADER = 1 << 6 };

/* Bits of ChanCSRa. */
enum {
    GOOD = 1 << 2, POSITIVE = 1 << 5, HISTOGRAM = 1 << 7, TRACE = 1 << 8, QDC = 1 << 9, CFD = 1 << 10, SUMS = 1 << 12,
    GAIN = 1 << 14, PILEUP_A = 1 << 15, PILEUP_B = 1 << 16, EXTERNAL_TIME = 1 << 21
};

/* ---- the crate ------------------------------------------------------------------------------------------------ */

typedef struct { int revision, msps, bits, firmware; u32 serial; } Type;

typedef struct { u32 *words; size_t size, first, count; } Ring;

/* What a module has in its own memory, until its power is off. */
typedef struct {
    bool booted;
    int firmware;
    char files[5][256];
    u32 var[MODULE_VARIABLES], channel[CHANNELS][VARIABLES];
} Memory;

typedef struct {
    u32 *var;
    u64 random, fast, events;
    double next, last_trigger, dead;         /* ns of the module's clock */
    bool pending, piled;
    double pending_time, pending_energy;     /* ns, keV */
    u32 *histogram;
} Channel;

typedef struct { size_t in, out, dma_in, overflows, dropped, hw_overflows; } FifoStatistics;

enum run { NO_RUN, LIST_MODE, MCA };

typedef struct {
    Type type;
    int slot, channels;
    bool online, closed, scope, baselines;
    Memory *memory;
    u32 *var;
    Channel channel[CHANNELS];
    enum run run;
    bool waiting, noticed;                   /* for the start of the others; the worker has noticed the end */
    double clock_zero, started, now, end, worker, last_dma; /* wall time, ns; started 0: never */
    double real;                             /* ns of the last or present run */
    bool lost_since;
    Ring fifo, queue;
    FifoStatistics statistics, all;
} Module;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Module crate[MODULES];
static int modules;
static bool opened, broken, offline;

/* Firmware that was registered, by kind of modules: sys, fippi, dsp, var. */
typedef struct { int revision, msps, bits; char files[4][256]; } Registered;
static Registered registered[MODULES];
static int kinds;
static const char *const DEVICES[] = {"sys", "fippi", "dsp", "var"};

typedef struct { char kind, call[48]; int module, code; long count; } Fault;

/* What the control texts ask for; each reading of them begins with the defaults. */
static struct {
    Type slots[LAST_SLOT + 1];
    double rate[MODULES][CHANNELS], pulser, tau, boot_seconds, bus, module_bus, end_after[MODULES], linger[MODULES];
    bool negative, stuck[MODULES], unchecked, preset;
    char memory[512];
    long buffers, fifo_words, discard[MODULES];
    u64 seed;
    Fault faults[FAULTS];
    int count;
} control;

static double wall(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}

static void log_line(const char *level, const char *format, ...) {
    static const char *const LEVELS[] = {"DEBUG", "INFO", "WARNING", "ERROR"};
    const char *least = getenv("PIXIE16_LOG_LEVEL");
    int wanted = 1, is = 1;
    for (int i = 0; i < 4; i++) {
        if (least && !strcmp(least, LEVELS[i])) wanted = i;
        if (!strcmp(level, LEVELS[i])) is = i;
    }
    if (is < wanted) return;
    FILE *file = fopen("Pixie16Msg.log", "a");
    if (!file) return;
    time_t now = time(NULL);
    struct tm parts;
    char stamp[32];
    strftime(stamp, sizeof stamp, "%Y-%m-%d %H:%M:%S", localtime_r(&now, &parts));
    fprintf(file, "%s [%s] ", stamp, level);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(file, format, arguments);
    va_end(arguments);
    fputc('\n', file);
    fclose(file);
}

static int failed(int code, const char *format, ...) {
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    log_line("ERROR", "%s", text);
    return -code;
}

/* ---- control: environment PIXIE16_SIM (lines separated by ;) and the file PIXIE16_SIM_CONTROL --------------------- */

static int revision_of(const char *letter) { return toupper((unsigned char)*letter) - 'A' + 10; }

static int natural_firmware(int revision, int msps) {
    return revision == 17 ? 46540 : revision < 15 && msps == 100 ? 30474 : 35207;
}

static void control_line(char *line) {
    char *word[8] = {0}, *rest = NULL;
    int n = 0;
    for (char *w = strtok_r(line, " \t\r", &rest); w && n < 8; w = strtok_r(NULL, " \t\r", &rest)) word[n++] = w;
    if (!n || *word[0] == '#') return;
    const char *key = word[0];
    double x = n > 1 ? atof(word[1]) : 0;
    /* Where a line is about one module or channel, it ends in "module M" and "channel C". */
    int module = -1, channel = -1, code = 0;
    long count = -1;
    for (int i = 1; i + 1 < n; i++) {
        if (!strcmp(word[i], "module")) module = atoi(word[i + 1]);
        if (!strcmp(word[i], "channel")) channel = atoi(word[i + 1]);
        if (!strcmp(word[i], "code")) code = abs(atoi(word[i + 1]));
        if (!strcmp(word[i], "count")) count = atol(word[i + 1]);
    }
    if (!strcmp(key, "slot") && n >= 2) {
        int slot = (int)x;
        if (slot < FIRST_SLOT || slot > LAST_SLOT) return;
        Type none = {0};
        control.slots[slot] = none;
        if (n >= 5) {
            Type *type = &control.slots[slot];
            type->revision = revision_of(word[2]);
            type->msps = atoi(word[3]);
            type->bits = atoi(word[4]);
            type->firmware = n > 5 ? atoi(word[5]) : natural_firmware(type->revision, type->msps);
            type->serial = 1000u + (u32)slot;
        }
    } else if (!strcmp(key, "rate")) {
        for (int m = 0; m < MODULES; m++)
            for (int c = 0; c < CHANNELS; c++)
                if ((module < 0 || m == module) && (channel < 0 || c == channel)) control.rate[m][c] = x;
    } else if (!strcmp(key, "end_after")) {
        for (int m = 0; m < MODULES; m++)
            if (module < 0 || m == module) control.end_after[m] = x;
    } else if (!strcmp(key, "linger")) {
        for (int m = 0; m < MODULES; m++)
            if (module < 0 || m == module) control.linger[m] = x;
    } else if (!strcmp(key, "discard")) {
        for (int m = 0; m < MODULES; m++)
            if (module < 0 || m == module) control.discard[m] = (long)x;
    } else if (!strcmp(key, "stuck")) {
        for (int m = 0; m < MODULES; m++)
            if (module < 0 || m == module) control.stuck[m] = true;
    } else if (!strcmp(key, "pulser")) {
        control.pulser = x;
    } else if (!strcmp(key, "tau")) {
        control.tau = x;
    } else if (!strcmp(key, "boot_seconds")) {
        control.boot_seconds = x;
    } else if (!strcmp(key, "bus")) {
        control.bus = x;
    } else if (!strcmp(key, "module_bus")) {
        control.module_bus = x;
    } else if (!strcmp(key, "buffers")) {
        control.buffers = (long)x;
    } else if (!strcmp(key, "fifo_words")) {
        control.fifo_words = (long)x;
    } else if (!strcmp(key, "seed")) {
        control.seed = (u64)x;
    } else if (!strcmp(key, "negative")) {
        control.negative = true;
    } else if (!strcmp(key, "unchecked")) {
        control.unchecked = true;
    } else if (!strcmp(key, "preset")) {
        control.preset = true;
    } else if (!strcmp(key, "memory") && n > 1) {
        snprintf(control.memory, sizeof control.memory, "%s", word[1]);
    } else if ((!strcmp(key, "fail") || !strcmp(key, "hang") || !strcmp(key, "crash")) && n >= 2) {
        if (control.count == FAULTS) return;
        Fault *fault = &control.faults[control.count++];
        fault->kind = *key;
        snprintf(fault->call, sizeof fault->call, "%s", word[1]);
        fault->module = module;
        fault->code = code ? code : 900;
        fault->count = count;
    } else {
        log_line("ERROR", "simulation: no such control line: %s", key);
    }
}

static void control_text(char *text) {
    char *rest = NULL;
    for (char *line = strtok_r(text, ";\n", &rest); line; line = strtok_r(NULL, ";\n", &rest)) control_line(line);
}

static void control_read(void) {
    static struct timespec read_time = {-1, -1};
    static off_t read_size = -1;
    static ino_t read_node;
    static bool read_once;
    const char *path = getenv("PIXIE16_SIM_CONTROL");
    struct stat about;
    bool there = path && !stat(path, &about);
    if (read_once && (!there || (about.st_mtim.tv_sec == read_time.tv_sec &&
                                 about.st_mtim.tv_nsec == read_time.tv_nsec && about.st_size == read_size &&
                                 about.st_ino == read_node)))
        return;
    read_once = true;
    memset(&control, 0, sizeof control);
    control.tau = 0.5;
    control.bus = 100;
    control.module_bus = 50;
    control.buffers = 100;
    control.fifo_words = FIFO_WORDS;
    control.seed = 1;
    for (int slot = FIRST_SLOT; slot <= LAST_SLOT; slot++) {
        Type usual = {15, 500, 14, 35207, 1000u + (u32)slot};
        control.slots[slot] = usual;
    }
    for (int m = 0; m < MODULES; m++)
        for (int c = 0; c < CHANNELS; c++) control.rate[m][c] = 1000;
    const char *environment = getenv("PIXIE16_SIM");
    if (environment) {
        char *copy = strdup(environment);
        control_text(copy);
        free(copy);
    }
    if (!there) return;
    read_time = about.st_mtim;
    read_size = about.st_size;
    read_node = about.st_ino;
    FILE *file = fopen(path, "r");
    if (!file) return;
    char *text = calloc(1, (size_t)about.st_size + 1);
    size_t got = fread(text, 1, (size_t)about.st_size, file);
    text[got] = 0;
    fclose(file);
    control_text(text);
    free(text);
}

/* ---- pulses ---------------------------------------------------------------------------------------------------- */

static double uniform(u64 *state) { /* xorshift64*, in (0, 1) */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return ((double)((*state * 2685821657736338717u) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(u64 *state) {
    return sqrt(-2 * log(uniform(state))) * cos(6.283185307179586 * uniform(state));
}

/* Energy of a hit, keV: three lines over an exponential background. */
static double energy_of(u64 *state) {
    if (control.pulser > 0) return control.pulser;
    double u = uniform(state);
    if (u < 0.2) return 661.7;
    if (u < 0.35) return 1173.2;
    if (u < 0.5) return 1332.5;
    return 20 - 400 * log(uniform(state));
}

static double tick(const Module *m) { return m->type.msps == 250 ? 8 : 10; }
static int clock_div(const Module *m) { return m->type.msps == 250 ? 2 : m->type.msps / 100; }
static double sample(const Module *m) { return 1e3 / m->type.msps; }
static double full(const Module *m) { return (double)(1 << m->type.bits); }
static double range(const Module *m) { return (double)(1 << m->var[SlowFilterRange]); }

/* Height of a pulse, ADC units: 2048 keV (8192 keV with the smaller gain) fill the ADC. */
static double height(const Module *m, const Channel *c, double kev) {
    return kev / (c->var[ChanCSRa] & GAIN ? 2048 : 8192) * full(m);
}

/* Where the baseline is, ADC units: the detector's own offset differs by channel. */
static double baseline(const Module *m, const Channel *c) {
    double own = 0.02 * (double)(c - m->channel) - 0.2, volts = 3 * ((double)c->var[OffsetDAC] / 65536 - 0.5);
    double at = (0.5 + (volts + own) / 3) * full(m);
    return at < 0 ? 0 : at > full(m) - 1 ? full(m) - 1 : at;
}

static const double RISE = 20; /* ns */

static double shape(double t) { return t < 0 ? 0 : (1 - exp(-t / RISE)) * exp(-t / (1e3 * control.tau)); }

static double shape_integral(double t) {
    if (t <= 0) return 0;
    double a = 1e3 * control.tau, b = a * RISE / (a + RISE);
    return a * (1 - exp(-t / a)) - b * (1 - exp(-t / b));
}

/* ---- FIFO and records ------------------------------------------------------------------------------------------- */

static size_t ring_free(const Ring *ring) { return ring->size - ring->count; }

static void ring_put(Ring *ring, const u32 *words, size_t n) {
    size_t at = (ring->first + ring->count) % ring->size, until_end = ring->size - at, head = n < until_end ? n : until_end;
    memcpy(ring->words + at, words, head * sizeof *words);
    memcpy(ring->words, words + head, (n - head) * sizeof *words);
    ring->count += n;
}

static void ring_get(Ring *ring, u32 *words, size_t n) {
    size_t until_end = ring->size - ring->first, head = n < until_end ? n : until_end;
    if (words) {
        memcpy(words, ring->words + ring->first, head * sizeof *words);
        memcpy(words + head, ring->words, (n - head) * sizeof *words);
    }
    ring->first = (ring->first + n) % ring->size;
    ring->count -= n;
}

static void ring_resize(Ring *ring, size_t size) {
    if (ring->size != size) {
        free(ring->words);
        ring->words = malloc(size * sizeof *ring->words);
        ring->size = size;
    }
    ring->first = ring->count = 0;
}

/* Ticks and the upper half of word 2 of a record at `t` ns of the module's clock. */
static u64 time_words(const Module *m, const Channel *c, double t, double high, u32 *cfd) {
    int msps = m->type.msps, firmware = m->type.firmware;
    bool on = c->var[ChanCSRa] & CFD, forced = high < (double)c->var[CFDThresh];
    *cfd = 0;
    if (!on) return (u64)floor(t / tick(m));
    if (msps == 500) {
        double ticks = floor((t + 2) / 10), rest = (t - 10 * ticks) / 2 + 1, source = floor(rest);
        if (forced) {
            *cfd = 7u << 13;
            return (u64)floor(t / 10);
        }
        *cfd = (u32)source << 13 | (u32)((rest - source) * 8192);
        return (u64)ticks;
    }
    if (msps == 250) {
        bool has_source = firmware >= 27361, has_forced = firmware >= 30474;
        u32 size = has_forced ? 14 : has_source ? 15 : 16;
        if (forced && has_forced) {
            *cfd = 1u << 15;
            return (u64)floor(t / 8);
        }
        double ticks = has_source ? floor((t + 4) / 8) : floor(t / 8), rest = t - 8 * ticks;
        bool source = rest < 0;
        double fraction = fmin(rest / 4 + source, 1 - 1e-9);
        *cfd = (u32)source << size | (u32)(fraction * (double)(1u << size));
        return (u64)ticks;
    }
    bool has_forced = firmware >= 30474;
    if (forced && has_forced) {
        *cfd = 1u << 15;
    } else {
        *cfd = (u32)((t / 10 - floor(t / 10)) * (has_forced ? 32768 : 65536));
    }
    return (u64)floor(t / 10);
}

static u32 word0(const Module *m, int channel, u32 header, u32 length, bool piled) {
    u32 slot = (u32)m->slot, id = m->var[CrateID];
    bool wide = m->type.msps == 250 && m->type.firmware >= 46540;
    u32 who = wide ? (u32)channel | slot << 6 | (id & 3) << 10 : (u32)channel | slot << 4 | (id & 15) << 8;
    return who | header << 12 | length << 17 | (u32)piled << 31;
}

/* Writes the record of an event into the FIFO, or loses it as a whole. */
static void record(Module *m, int number, double t, double kev, u32 energy, bool piled) {
    static u32 words[16384];
    Channel *c = &m->channel[number];
    u32 csra = c->var[ChanCSRa], header = 4, cfd, samples = csra & TRACE ? c->var[TraceLength] & ~1u : 0;
    double high = height(m, c, kev), base = baseline(m, c), step = sample(m);
    double before = ((double)c->var[PAFlength] - (double)c->var[TriggerDelay]) * tick(m);
    u64 ticks = time_words(m, c, t, high, &cfd);
    if (csra & SUMS) {
        double n = (double)c->var[SlowLength] * range(m), gap = (double)c->var[SlowGap] * range(m);
        float kept = (float)base;
        words[header++] = (u32)(base * n);
        words[header++] = (u32)((base + high) * n);
        words[header++] = (u32)((base + high / 2) * gap);
        memcpy(&words[header++], &kept, 4);
    }
    if (csra & QDC) {
        double from = -before;
        for (int i = 0; i < 8; i++) {
            double length = (double)c->var[QDCLen0 + i] * (m->type.msps == 250 ? 4 : 10);
            double pulse = shape_integral(from + length) - shape_integral(from);
            words[header++] = (u32)((base * length + high * pulse) / step);
            from += length;
        }
    }
    if (csra & EXTERNAL_TIME && m->type.firmware >= 30980) {
        u64 external = (u64)(t / 10);
        words[header++] = (u32)external;
        words[header++] = (u32)(external >> 32) & 0xffff;
    }
    if (samples / 2 + header > 16383) samples = (16383 - header) * 2;
    u32 length = header + samples / 2;
    bool clipped = false;
    if (samples) {
        u16 *trace = (u16 *)&words[header];
        double rise = 1, fall = 1, by_rise = exp(-step / RISE), by_fall = exp(-step / (1e3 * control.tau));
        u64 noise = c->random;
        for (u32 i = 0; i < samples; i++) {
            double y = base;
            if (step * i >= before) {
                y += high * (1 - rise) * fall;
                rise *= by_rise;
                fall *= by_fall;
            }
            noise = noise * 6364136223846793005u + 1442695040888963407u;
            y += (double)(noise >> 62) - 1.5;
            clipped |= y > full(m) - 1;
            trace[i] = (u16)(y < 0 ? 0 : y > full(m) - 1 ? full(m) - 1 : y);
        }
    }
    int firmware = m->type.firmware;
    u32 energy_bits = firmware >= 29432 && firmware < 34688 ? 32767 : 65535;
    u32 most = energy > energy_bits ? energy_bits : energy;
    words[0] = word0(m, number, header, length, piled);
    words[1] = (u32)ticks;
    words[2] = ((u32)(ticks >> 32) & 0xffff) | cfd << 16;
    words[3] = most | samples << 16;
    if (firmware < 29432) words[0] |= (u32)clipped << 30;
    else words[3] |= (u32)clipped << (firmware < 34688 ? 15 : 31);
    if (m->fifo.count + length > (size_t)control.fifo_words) {
        m->lost_since = true;
        return;
    }
    ring_put(&m->fifo, words, length);
}

/* The event that a channel holds is over: it is recorded, histogrammed, or rejected. */
static void emit(Module *m, int number) {
    Channel *c = &m->channel[number];
    u32 csra = c->var[ChanCSRa], pileup = csra & (PILEUP_A | PILEUP_B);
    bool piled = c->piled;
    c->pending = c->piled = false;
    if (!(csra & GOOD)) return;
    if ((pileup == PILEUP_A && piled) || (pileup == (PILEUP_A | PILEUP_B) && !piled)) return;
    double rise = 1e-3 * (double)c->var[SlowLength] * range(m) * tick(m); /* us */
    double resolution = 0.0015 * sqrt(1 + 0.2 / rise);
    double kev = c->pending_energy * (1 + resolution * normal(&c->random));
    /* 65536 is the ADC's full range. */
    double value = height(m, c, kev) / full(m) * 65536;
    u32 energy = piled ? 0 : value > 65535 ? 65535 : (u32)value;
    c->events++;
    if ((m->run == MCA || csra & HISTOGRAM) && energy >= c->var[EnergyLow] && !piled) {
        u32 bin = energy >> (-(int32_t)c->var[Log2Ebin]);
        if (bin < (m->type.revision == 17 ? BINS / 2 : BINS)) c->histogram[bin]++;
    }
    if (m->run == LIST_MODE) record(m, number, c->pending_time, c->pending_energy, energy, piled);
}

/* Brings a channel to `until` ns of the module's clock. */
static void hits(Module *m, int number, double rate, double until) {
    Channel *c = &m->channel[number];
    bool seen = !!(c->var[ChanCSRa] & POSITIVE) == !control.negative;
    double least = (double)c->var[FastThresh] / ((double)c->var[FastLength] * clock_div(m));
    double fast = (double)(c->var[FastLength] + c->var[FastGap]) * tick(m);
    double window = (double)c->var[PeakSep] * range(m) * tick(m);
    while (rate > 0 && c->next < until) {
        double t = c->next, kev = energy_of(&c->random);
        c->next += control.pulser > 0 ? 1e9 / rate : -log(uniform(&c->random)) * 1e9 / rate;
        if (!seen || height(m, c, kev) < least || t - c->last_trigger < fast) continue;
        c->last_trigger = t;
        c->fast++;
        c->dead += fast;
        if (c->pending && t - c->pending_time < window) {
            c->piled = true;
            continue;
        }
        if (c->pending) emit(m, number);
        c->pending = true;
        c->pending_time = t;
        c->pending_energy = kev;
    }
    if (c->pending && until - c->pending_time >= window) emit(m, number);
}

/* ---- the worker of the SDK, and time ----------------------------------------------------------------------------- */

static int running(void) {
    int n = 0;
    for (int m = 0; m < modules; m++) n += crate[m].run != NO_RUN;
    return n ? n : 1;
}

static size_t move(Module *m, size_t most) {
    static u32 block[BLOCK];
    size_t moved = 0;
    while (m->fifo.count && moved < most) {
        size_t n = m->fifo.count < BLOCK ? m->fifo.count : BLOCK;
        if (n > most - moved) n = most - moved;
        if (n > ring_free(&m->queue)) n = ring_free(&m->queue);
        if (!n) {
            m->statistics.overflows++;
            break;
        }
        ring_get(&m->fifo, block, n);
        m->statistics.dma_in += n;
        moved += n;
        long *discard = &control.discard[m - crate];
        if (*discard > 0) {
            size_t drop = n < (size_t)*discard ? n : (size_t)*discard;
            *discard -= (long)drop;
            m->statistics.dropped += drop;
            memmove(block, block + drop, (n - drop) * sizeof *block);
            n -= drop;
        }
        ring_put(&m->queue, block, n);
        m->statistics.in += n;
    }
    return moved;
}

static void work(Module *m, double now) {
    if (m->lost_since) {
        if (!m->statistics.hw_overflows++) log_line("WARNING", "module: num=%d,slot=%d: FIFO full", (int)(m - crate), m->slot);
        m->lost_since = false;
    }
    if (m->fifo.count < TRIGGER_LEVEL && now - m->last_dma < HOLD) return;
    double bus = fmin(control.module_bus, control.bus / running());
    move(m, (size_t)(bus * 1e6 / 4 * WORKER / 1e9));
    m->last_dma = now;
}

/* All that the module holds goes to the host: what the queue cannot take is dropped. */
static void drain(Module *m) {
    if (m->lost_since) m->statistics.hw_overflows++;
    m->lost_since = false;
    move(m, FIFO_WORDS);
    m->statistics.dropped += m->fifo.count;
    ring_get(&m->fifo, NULL, m->fifo.count);
}

static void finish(Module *m) {
    for (int c = 0; c < m->channels; c++)
        if (m->channel[c].pending) emit(m, c);
    drain(m);
    m->run = NO_RUN;
    m->waiting = false;
}

/* Brings a module from the time of the last call to now. */
static void advance(Module *m, double now) {
    if (m->run == NO_RUN || m->waiting) return;
    double until = fmin(now, m->end);
    while (m->now < until) {
        double next = fmin(m->now + SLICE, until);
        if (!offline)
            for (int c = 0; c < m->channels; c++) hits(m, c, control.rate[m - crate][c], next - m->clock_zero);
        m->now = next;
        m->real = next - m->started;
        if (next - m->worker >= WORKER) {
            work(m, next);
            m->worker = next;
        }
    }
    if (now >= m->end) {
        finish(m);
        if (!m->noticed) log_line("INFO", "module: num=%d,slot=%d: run not active", (int)(m - crate), m->slot);
        m->noticed = true;
    }
}

static void begin(Module *m, double now) {
    if (!m->var[InSynch]) {
        m->clock_zero = now;
        m->var[InSynch] = 1;
    }
    m->waiting = false;
    m->started = m->now = m->worker = m->last_dma = now;
    double preset = INFINITY, ends = control.end_after[m - crate];
    if (m->run == MCA || control.preset) {
        float seconds;
        memcpy(&seconds, &m->var[HostRunTimePreset], 4);
        preset = seconds;
    }
    if (ends > 0) preset = fmin(preset, ends);
    m->end = now + 1e9 * preset;
    double since = now - m->clock_zero;
    for (int i = 0; i < m->channels; i++) {
        Channel *c = &m->channel[i];
        double rate = control.rate[m - crate][i];
        c->pending = c->piled = false;
        c->last_trigger = -1e18;
        if (control.pulser > 0) c->next = (floor(since * rate / 1e9) + 1) * 1e9 / rate + 1.7 * i;
        else c->next = since - log(uniform(&c->random)) * 1e9 / rate;
    }
}

/* Modules in synchronous mode start together, and the first that ends ends all. */
static void synchronise(double now) {
    double first = INFINITY;
    bool all = true;
    for (int m = 0; m < modules; m++) all &= crate[m].run != NO_RUN && crate[m].waiting;
    if (all)
        for (int m = 0; m < modules; m++) begin(&crate[m], now);
    for (int m = 0; m < modules; m++)
        if (crate[m].var[SynchWait] && crate[m].run != NO_RUN && !crate[m].waiting) first = fmin(first, crate[m].end);
    for (int m = 0; m < modules; m++)
        if (crate[m].var[SynchWait] && crate[m].run != NO_RUN && !crate[m].waiting) crate[m].end = first;
}

/* ---- calls: what all begin with ---------------------------------------------------------------------------------- */

enum need { NOTHING, OPEN, ONLINE, IDLE };

static int fault(const char *call, int module) {
    for (bool hangs = false;;) {
        bool hang = false;
        control_read();
        for (int i = 0; i < control.count; i++) {
            Fault *f = &control.faults[i];
            if (strcmp(f->call, call) || (f->module >= 0 && f->module != module) || !f->count) continue;
            if (f->kind == 'c') raise(SIGSEGV);
            if (f->kind == 'h') {
                hang = true;
                continue;
            }
            if (f->count > 0) f->count--;
            return failed(f->code, "%s: module: num=%d: requested failure %d", call, module, f->code);
        }
        if (!hang) return 0;
        if (!hangs) log_line("WARNING", "%s: module: num=%d: requested hang", call, module);
        hangs = true;
        /* As long as the control file says so. */
        pthread_mutex_unlock(&lock);
        usleep(2000);
        pthread_mutex_lock(&lock);
    }
}

/* Takes the lock; a negative answer is what the call is to return. `module` may be the number of modules: all. */
static int enter(const char *call, int module, bool all, enum need need) {
    pthread_mutex_lock(&lock);
    int answer = fault(call, module);
    if (answer) return answer;
    if (need == NOTHING) return 0;
    if (broken) return failed(204, "%s: crate is shut down", call);
    if (!opened) return failed(101, "%s: crate not ready", call);
    if (module < 0 || module > modules || (module == modules && !all))
        return failed(200, "%s: invalid module number: %d", call, module);
    double now = wall();
    for (int m = 0; m < modules; m++) advance(&crate[m], now);
    synchronise(now);
    for (int m = 0; m < modules; m++) {
        if (module != modules && m != module) continue;
        if (need >= ONLINE && !crate[m].online) return failed(204, "%s: module offline: num=%d,slot=%d", call, m, crate[m].slot);
        if (need == IDLE && crate[m].run != NO_RUN && !control.unchecked)
            return failed(218, "%s: module: num=%d,slot=%d: run is active", call, m, crate[m].slot);
    }
    return 0;
}

static int leave(int answer) {
    pthread_mutex_unlock(&lock);
    return answer;
}

#define ENTER(call, module, all, need) \
    do { \
        int entered = enter(call, module, all, need); \
        if (entered) return leave(entered); \
    } while (0)

/* ---- parameters of channels -------------------------------------------------------------------------------------- */

/* A number as the SDK takes it: what is after the point is cut off, negative ones wrap to large unsigned ones, and what
 * no integer can hold is 0. */
static u32 truncated(double x) { return x > -9.2e18 && x < 9.2e18 ? (u32)(int64_t)x : 0; }

static u32 whole(double x) { return truncated(round(x)); }

static u32 clamp(u32 x, u32 low, u32 high) { return x < low ? low : x > high ? high : x; }

static u32 delay_of(const Channel *c) { return c->var[PAFlength] - c->var[TriggerDelay]; }

/* Both must fit into the memory for traces; what is before the trigger comes first. */
static void place_delay(Channel *c, u32 trigger, u32 delay) {
    bool fits = trigger + delay <= FIFO_LENGTH;
    c->var[PAFlength] = fits ? trigger + delay : FIFO_LENGTH - 1;
    c->var[TriggerDelay] = c->var[PAFlength] - delay;
}

static void set_delay(Channel *c, u32 ticks) {
    if (ticks > c->var[TraceLength]) ticks = c->var[TraceLength] / 2;
    if (ticks > 1023) ticks = 1023;
    place_delay(c, c->var[TriggerDelay], ticks);
}

static void find_blcut(Module *m, Channel *c) {
    c->var[BLcut] = 20 + (u32)(2 * sqrt((double)c->var[SlowLength] * range(m)));
}

static void derive(Module *m, Channel *c) {
    u32 delay = delay_of(c);
    c->var[PeakSep] = c->var[SlowLength] + c->var[SlowGap];
    static const u32 BEFORE[] = {2, 3, 2, 2, 1, 0, 1};
    u32 range = m->var[SlowFilterRange];
    c->var[PeakSample] = c->var[PeakSep] - BEFORE[range < 7 ? range : 0];
    place_delay(c, (c->var[PeakSep] - 1) << (range & 31), delay);
}

/* One of the two lengths of a filter, which have 127 together. The sums of 32 bits wrap, as the SDK's. */
static void filter_length(u32 *length, u32 *other, u32 value, u32 least) {
    if (value + *other > 127) value = 127 - *other;
    if (value < least) {
        value = least;
        if (value + *other > 127) *other = 127 - least;
    }
    *length = value;
}

/* The bits of a float, as the SDK makes them: what does not fit is cut off. */
static u32 float_bits(double value) {
    float near = (float)value;
    if (fabs((double)near) > fabs(value)) near = nextafterf(near, 0);
    u32 bits;
    memcpy(&bits, &near, 4);
    return bits;
}

/* And back; bits that are all 0 are the smallest number. */
static double float_of(u32 bits) {
    float value;
    memcpy(&value, &bits, 4);
    return bits ? (double)value : ldexp(1, -127);
}

enum unit { TICKS, QDC_SAMPLES, NUMBER };

/* Parameters that are a variable in some unit, within limits; what is outside is clamped. */
static const struct { const char *name; enum channel_variable var; enum unit unit; u32 low, high; } PLAIN[] = {
    {"BASELINE_PERCENT", BaselinePercent, NUMBER, 1, 99}, {"CFDDelay", CFDDelay, TICKS, 1, 63},
    {"CFDScale", CFDScale, NUMBER, 0, 7}, {"INTEGRATOR", Integrator, NUMBER, 0, 7},
    {"EMIN", EnergyLow, NUMBER, 0, 0xffffffff}, {"BLCUT", BLcut, NUMBER, 0, 0xffffffff},
    {"FASTTRIGBACKLEN", FastTrigBackLen, TICKS, 1, 4095}, {"ExtTrigStretch", ExtTrigStretch, TICKS, 1, 4095},
    {"VetoStretch", VetoStretch, TICKS, 1, 4095}, {"ChanTrigStretch", ChanTrigStretch, TICKS, 1, 4095},
    {"ExternDelayLen", ExternDelayLen, TICKS, 0, 511}, {"FtrigoutDelay", FtrigoutDelay, TICKS, 0, 511},
    {"RESET_DELAY", ResetDelay, TICKS, 0, 255}, {"MultiplicityMaskL", MultiplicityMaskL, NUMBER, 0, 0xffffffff},
    {"MultiplicityMaskH", MultiplicityMaskH, NUMBER, 0, 0xffffffff}, {"CHANNEL_CSRA", ChanCSRa, NUMBER, 0, 0xffffffff},
    {"QDCLen0", QDCLen0, QDC_SAMPLES, 1, 32767}, {"QDCLen1", QDCLen1, QDC_SAMPLES, 1, 32767},
    {"QDCLen2", QDCLen2, QDC_SAMPLES, 1, 32767}, {"QDCLen3", QDCLen3, QDC_SAMPLES, 1, 32767},
    {"QDCLen4", QDCLen4, QDC_SAMPLES, 1, 32767}, {"QDCLen5", QDCLen5, QDC_SAMPLES, 1, 32767},
    {"QDCLen6", QDCLen6, QDC_SAMPLES, 1, 32767}, {"QDCLen7", QDCLen7, QDC_SAMPLES, 1, 32767},
};
enum { PLAINS = sizeof PLAIN / sizeof *PLAIN };

/* Units in a microsecond. */
static double units_of(const Module *m, enum unit unit) {
    return unit == NUMBER ? 1 : unit == TICKS ? 1e3 / tick(m) : m->type.msps == 250 ? 250 : 100;
}

static void write_plain(Module *m, Channel *c, int i, double value) {
    u32 low = PLAIN[i].low, high = PLAIN[i].high, before = c->var[PLAIN[i].var];
    bool mhz250 = m->type.msps == 250, old = m->type.revision < 15;
    if (PLAIN[i].var == FastTrigBackLen && mhz250) low = 2;
    if ((PLAIN[i].var == ExternDelayLen || PLAIN[i].var == FtrigoutDelay) && old) high = 255;
    if (PLAIN[i].var == Integrator) value = fmin(fmax(value, 0), 7);
    double units = value * units_of(m, PLAIN[i].unit);
    c->var[PLAIN[i].var] = clamp(PLAIN[i].unit == NUMBER ? truncated(units) : whole(units), low, high);
    if (PLAIN[i].var == ChanCSRa && (before ^ c->var[ChanCSRa]) & GAIN && m->type.revision < 17) find_blcut(m, c);
}

static int write_channel(Module *m, Channel *c, const char *name, double value) {
    double ticks = value * 1e3 / tick(m), groups = ticks / range(m);
    for (int i = 0; i < PLAINS; i++)
        if (!strcmp(name, PLAIN[i].name)) return write_plain(m, c, i, value), 0;
    if (!strcmp(name, "TRIGGER_RISETIME")) {
        filter_length(&c->var[FastLength], &c->var[FastGap], whole(ticks), 2);
    } else if (!strcmp(name, "TRIGGER_FLATTOP")) {
        filter_length(&c->var[FastGap], &c->var[FastLength], whole(ticks), 0);
    } else if (!strcmp(name, "TRIGGER_THRESHOLD")) {
        c->var[FastThresh] = clamp(truncated(value * (double)c->var[FastLength] * clock_div(m)), 0, 65535);
    } else if (!strcmp(name, "ENERGY_RISETIME")) {
        filter_length(&c->var[SlowLength], &c->var[SlowGap], whole(groups), 2);
        derive(m, c);
    } else if (!strcmp(name, "ENERGY_FLATTOP")) {
        filter_length(&c->var[SlowGap], &c->var[SlowLength], whole(groups), 3);
        derive(m, c);
    } else if (!strcmp(name, "TAU")) {
        c->var[PreampTau] = float_bits(value);
        if (m->type.revision < 17) find_blcut(m, c);
    } else if (!strcmp(name, "TRACE_LENGTH")) {
        u32 samples = truncated(value * m->type.msps), step = m->type.msps == 500 ? 10 : 2;
        samples -= samples % step;
        if (samples > FIFO_LENGTH) samples = FIFO_LENGTH;
        if (m->type.revision == 17) samples = samples > H_SAMPLES ? H_SAMPLES : (samples + 31) / 32 * 32;
        c->var[TraceLength] = samples;
    } else if (!strcmp(name, "TRACE_DELAY")) {
        set_delay(c, truncated(ticks));
    } else if (!strcmp(name, "VOFFSET")) {
        c->var[OffsetDAC] = clamp(truncated(65536 * (value / 3 + 0.5)), 0, 65535);
    } else if (!strcmp(name, "XDT")) {
        u32 step = m->type.msps == 250 ? 8 : 6, wait = whole(value * 100);
        if (wait < step) wait = step;
        u64 up = ((u64)wait + step - 1) / step * step;
        c->var[Xwait] = wait > c->var[Xwait] ? (u32)up : wait / step * step;
    } else if (!strcmp(name, "BINFACTOR")) {
        c->var[Log2Ebin] = -clamp(truncated(value), 1, 6);
    } else if (!strcmp(name, "BASELINE_AVERAGE")) {
        c->var[Log2Bweight] = -clamp(truncated(value), 0, 16);
    } else if (!strcmp(name, "CFDThresh")) {
        u32 threshold = truncated(value);
        if (threshold < 1 || threshold > 65535) return failed(301, "channel: out of range CFDThresh: %u", threshold);
        c->var[CFDThresh] = threshold;
    } else if (!strcmp(name, "CHANNEL_CSRB")) {
        return failed(304, "channel: parameter disabled: %s", name);
    } else {
        return failed(301, "channel: invalid parameter: %s", name);
    }
    return 0;
}

static int read_channel(Module *m, Channel *c, const char *name, double *value) {
    double t = tick(m) / 1e3, group = t * range(m);
    for (int i = 0; i < PLAINS; i++)
        if (!strcmp(name, PLAIN[i].name)) {
            *value = (double)c->var[PLAIN[i].var] / units_of(m, PLAIN[i].unit);
            return 0;
        }
    if (!strcmp(name, "TRIGGER_RISETIME")) *value = (double)c->var[FastLength] * t;
    else if (!strcmp(name, "TRIGGER_FLATTOP")) *value = (double)c->var[FastGap] * t;
    else if (!strcmp(name, "TRIGGER_THRESHOLD"))
        *value = (double)c->var[FastThresh] / ((double)c->var[FastLength] * clock_div(m));
    else if (!strcmp(name, "ENERGY_RISETIME")) *value = (double)c->var[SlowLength] * group;
    else if (!strcmp(name, "ENERGY_FLATTOP")) *value = (double)c->var[SlowGap] * group;
    else if (!strcmp(name, "TAU")) *value = float_of(c->var[PreampTau]);
    else if (!strcmp(name, "TRACE_LENGTH")) *value = (double)c->var[TraceLength] / m->type.msps;
    else if (!strcmp(name, "TRACE_DELAY")) *value = (double)delay_of(c) * t;
    else if (!strcmp(name, "VOFFSET")) *value = 3 * ((double)c->var[OffsetDAC] / 65536 - 0.5);
    else if (!strcmp(name, "XDT")) *value = (double)c->var[Xwait] * 0.01;
    else if (!strcmp(name, "BINFACTOR")) *value = 4294967296.0 - (double)c->var[Log2Ebin];
    else if (!strcmp(name, "BASELINE_AVERAGE")) *value = c->var[Log2Bweight] ? 4294967296.0 - (double)c->var[Log2Bweight] : 0;
    else if (!strcmp(name, "CFDThresh")) *value = c->var[CFDThresh];
    else if (!strcmp(name, "CHANNEL_CSRB")) return failed(304, "channel: parameter disabled: %s", name);
    else return failed(301, "channel: invalid parameter: %s", name);
    return 0;
}

static void default_settings(Module *m) {
    u32 kept[] = {m->var[SlotID], m->var[ModNum]};
    memset(m->var, 0, sizeof m->memory->var);
    m->var[SlotID] = kept[0];
    m->var[ModNum] = kept[1];
    m->var[SlowFilterRange] = 2;
    m->var[FIFOLength] = FIFO_LENGTH;
    float preset = 10;
    memcpy(&m->var[HostRunTimePreset], &preset, 4);
    for (int i = 0; i < m->channels; i++) {
        Channel *c = &m->channel[i];
        memset(c->var, 0, sizeof *m->memory->channel);
        c->var[FastLength] = c->var[FastGap] = 10;
        c->var[SlowLength] = 25;
        c->var[SlowGap] = 10;
        c->var[OffsetDAC] = 32768;
        c->var[ChanCSRa] = GOOD | POSITIVE;
        c->var[CFDThresh] = 1;
        derive(m, c);
        static const struct { const char *name; double value; } DEFAULTS[] = {
            {"TRIGGER_THRESHOLD", 100}, {"TAU", 0.5}, {"TRACE_LENGTH", 1}, {"TRACE_DELAY", 0.4}, {"XDT", 0.06},
            {"BASELINE_PERCENT", 10}, {"BINFACTOR", 1}, {"BASELINE_AVERAGE", 3}, {"FASTTRIGBACKLEN", 0.1},
            {"CFDDelay", 0.08}, {"QDCLen0", 0.3}, {"QDCLen1", 0.1}, {"QDCLen2", 0.1}, {"QDCLen3", 0.1},
            {"QDCLen4", 0.2}, {"QDCLen5", 0.2}, {"QDCLen6", 0.4}, {"QDCLen7", 0.4}, {"ExtTrigStretch", 0.5},
            {"VetoStretch", 0.3}, {"ChanTrigStretch", 0.5},
        };
        for (size_t k = 0; k < sizeof DEFAULTS / sizeof *DEFAULTS; k++)
            write_channel(m, c, DEFAULTS[k].name, DEFAULTS[k].value);
    }
}

/* ---- parameters of modules --------------------------------------------------------------------------------------- */

static const struct { const char *name; int var; } MODULE_PARAMETER[] = {
    {"SLOW_FILTER_RANGE", SlowFilterRange}, {"FAST_FILTER_RANGE", FastFilterRange}, {"SYNCH_WAIT", SynchWait},
    {"IN_SYNCH", InSynch}, {"HOST_RT_PRESET", HostRunTimePreset}, {"MODULE_CSRB", ModCSRB},
    {"FastTrigBackplaneEna", FastTrigBackplaneEna}, {"TrigConfig0", TrigConfig}, {"TrigConfig1", TrigConfig + 1},
    {"TrigConfig2", TrigConfig + 2}, {"TrigConfig3", TrigConfig + 3}, {"CrateID", CrateID}, {"SlotID", SlotID},
    {"MODULE_NUMBER", ModNum},
};

static int module_variable(const char *name) {
    static const char *const DISABLED[] = {"ModID", "MODULE_CSRA", "MODULE_FORMAT", "MAX_EVENTS"};
    for (size_t i = 0; i < sizeof DISABLED / sizeof *DISABLED; i++)
        if (!strcmp(name, DISABLED[i])) return failed(211, "module: parameter disabled: %s", name);
    for (size_t i = 0; i < sizeof MODULE_PARAMETER / sizeof *MODULE_PARAMETER; i++)
        if (!strcmp(name, MODULE_PARAMETER[i].name)) return MODULE_PARAMETER[i].var;
    return failed(209, "module: invalid parameter: %s", name);
}

static int write_module(Module *m, const char *name, u32 value) {
    int var = module_variable(name);
    if (var < 0) return var;
    switch (var) {
    case SlotID: return failed(212, "module: num=%d: SlotID is read only", (int)(m - crate));
    case ModNum: return failed(209, "module: num=%d: MODULE_NUMBER is read only", (int)(m - crate));
    case FastFilterRange:
        if (value) log_line("WARNING", "module: num=%d: FAST_FILTER_RANGE %u is set to 0", (int)(m - crate), value);
        value = 0;
        break;
    case SynchWait: case InSynch: case HostRunTimePreset: /* broadcast */
        for (int i = 0; i < modules; i++) crate[i].var[var] = value;
        break;
    case ModCSRB:
        for (int i = 0; i < modules; i++)
            if (&crate[i] != m && crate[i].var[ModCSRB] & value & 0x51)
                return failed(209, "module: num=%d: backplane role already taken by module %d", (int)(m - crate), i);
        break;
    case SlowFilterRange:
        if (value < 1 || value > 6)
            return failed(209, "module: num=%d: SLOW_FILTER_RANGE out of range: %u", (int)(m - crate), value);
        m->var[var] = value;
        for (int c = 0; c < m->channels; c++) {
            derive(m, &m->channel[c]);
            find_blcut(m, &m->channel[c]);
        }
    }
    m->var[var] = value;
    return 0;
}

/* ---- settings files ---------------------------------------------------------------------------------------------- */

enum { HAS_METADATA = 1, HAS_MODULE = 2, HAS_CHANNEL = 4 };
typedef struct { u32 module[MODULE_VARIABLES], channel[CHANNELS][VARIABLES]; int slot, has; char revision; } Settings;

static void write_json(FILE *file, const Module *m) {
    fprintf(file, " {\n  \"channel\": {\n   \"input\": {");
    for (int v = 0; v < VARIABLES; v++) {
        fprintf(file, "%s\n    \"%s\": [", v ? "," : "", VARIABLE[v]);
        for (int c = 0; c < m->channels; c++) fprintf(file, "%s%u", c ? ", " : "", m->channel[c].var[v]);
        fputc(']', file);
    }
    fprintf(file, "\n   }\n  },\n  \"metadata\": {\n   \"config\": [");
    for (int c = 0; c < m->channels; c++)
        fprintf(file, "%s\n    {\"adc_bits\": %d, \"adc_clk_div\": %d, \"adc_msps\": %d, \"fpga_clk_mhz\": %d}",
                c ? "," : "", m->type.bits, clock_div(m), m->type.msps, m->type.msps == 250 ? 125 : 100);
    fprintf(file, "\n   ],\n");
    for (int d = 0; d < 4; d++) {
        const char *name = strrchr(m->memory->files[d], '/');
        fprintf(file, "   \"%s\": {\"adc_bits\": %d, \"adc_msps\": %d, \"file\": \"%s\", \"rev\": %d, "
                      "\"tag\": \"%d-%d-%d\", \"version\": \"n/a\"},\n",
                DEVICES[d], m->type.bits, m->type.msps, name ? name + 1 : m->memory->files[d], m->type.revision,
                m->type.revision, m->type.msps, m->type.bits);
    }
    fprintf(file, "   \"fifo\": {\"buffers\": %ld, \"hold\": 10000, \"idle-wait\": 150000, \"run-wait\": 5000},\n"
                  "   \"firmware-release\": \"0.0.0\",\n   \"firmware-tag\": \"%d-%d-%d\",\n"
                  "   \"hardware_revision\": \"%c\",\n   \"num-channels\": %d,\n   \"number\": %d,\n"
                  "   \"serial-num\": %u,\n   \"slot\": %d\n  },\n  \"module\": {\n   \"input\": {",
            control.buffers, m->type.revision, m->type.msps, m->type.bits, 'A' + m->type.revision - 10, m->channels, (int)(m - crate), m->type.serial, m->slot);
    for (size_t v = 0; v < sizeof MODULE_VARIABLE / sizeof *MODULE_VARIABLE; v++) {
        int n = MODULE_VARIABLE[v].count, at = MODULE_VARIABLE[v].at;
        fprintf(file, "%s\n    \"%s\": %s", v ? "," : "", MODULE_VARIABLE[v].name, n > 1 ? "[" : "");
        for (int i = 0; i < n; i++) fprintf(file, "%s%u", i ? ", " : "", m->var[at + i]);
        fprintf(file, "%s", n > 1 ? "]" : "");
    }
    fprintf(file, "\n   }\n  }\n }");
}

/* Just enough of JSON: where a number or text stands is given by the keys above it and its index in an array. */
typedef struct { const char *at; char key[4][48]; int depth, module, index; bool bad; Settings *settings; int found; } Json;

static void json_space(Json *json) { while (isspace((unsigned char)*json->at)) json->at++; }

static bool json_take(Json *json, char wanted) {
    json_space(json);
    if (*json->at != wanted) return false;
    json->at++;
    return true;
}

static void json_text(Json *json, char *out, size_t size) {
    size_t n = 0;
    if (!json_take(json, '"')) json->bad = true;
    while (!json->bad && *json->at && *json->at != '"') {
        if (*json->at == '\\' && json->at[1]) json->at++;
        if (n + 1 < size) out[n++] = *json->at;
        json->at++;
    }
    out[n] = 0;
    if (!json_take(json, '"')) json->bad = true;
}

static void json_leaf(Json *json, double number, const char *text) {
    if (json->module < 0 || json->module >= MODULES || json->index >= CHANNELS) return;
    Settings *s = &json->settings[json->module];
    int index = json->index < 0 ? 0 : json->index;
    u32 value = number < 0 ? (u32)(int64_t)number : (u32)number;
    if (json->depth == 2 && !strcmp(json->key[0], "metadata")) {
        if (!strcmp(json->key[1], "slot")) s->slot = (int)number;
        if (!strcmp(json->key[1], "hardware_revision") && text) s->revision = *text;
    }
    if (json->depth != 3 || strcmp(json->key[1], "input")) return;
    if (text) json->bad = true;
    if (!strcmp(json->key[0], "channel"))
        for (int v = 0; v < VARIABLES; v++) /* channels for which there is none have the value of the first */
            for (int c = index; !strcmp(json->key[2], VARIABLE[v]) && c < (index ? index + 1 : CHANNELS); c++)
                s->channel[c][v] = value;
    if (!strcmp(json->key[0], "module"))
        for (size_t v = 0; v < sizeof MODULE_VARIABLE / sizeof *MODULE_VARIABLE; v++)
            if (!strcmp(json->key[2], MODULE_VARIABLE[v].name) && index < MODULE_VARIABLE[v].count)
                s->module[MODULE_VARIABLE[v].at + index] = value;
}

static void json_value(Json *json, int level) {
    char text[256];
    json_space(json);
    if (level > 16) json->bad = true;
    if (json->bad) return;
    if (json_take(json, '{')) {
        if (json_take(json, '}')) return;
        do {
            char key[48];
            json_text(json, key, sizeof key);
            if (!json_take(json, ':')) json->bad = true;
            if (json->depth < 4) snprintf(json->key[json->depth], sizeof key, "%s", key);
            if (!json->depth && json->module >= 0 && json->module < MODULES)
                json->settings[json->module].has |= !strcmp(key, "metadata") ? HAS_METADATA
                    : !strcmp(key, "module") ? HAS_MODULE : !strcmp(key, "channel") ? HAS_CHANNEL : 0;
            json->depth++;
            json_value(json, level + 1);
            json->depth--;
        } while (!json->bad && json_take(json, ','));
        if (!json_take(json, '}')) json->bad = true;
    } else if (json_take(json, '[')) {
        int *index = level ? &json->index : &json->module, before = *index;
        *index = 0;
        if (json_take(json, ']')) {
            *index = before;
            return;
        }
        do {
            json_value(json, level + 1);
            ++*index;
            if (!level) json->found = *index;
        } while (!json->bad && json_take(json, ','));
        *index = before;
        if (!json_take(json, ']')) json->bad = true;
    } else if (*json->at == '"') {
        json_text(json, text, sizeof text);
        json_leaf(json, 0, text);
    } else {
        char *end;
        double number = strtod(json->at, &end);
        if (end == json->at) {
            json->bad = true;
            return;
        }
        json->at = end;
        json_leaf(json, number, NULL);
    }
}

/* Takes over the settings of a file for one module, or for all (`only` < 0). */
static int load_settings(const char *path, int only) {
    struct stat about;
    bool there = path && !stat(path, &about) && S_ISREG(about.st_mode);
    FILE *file = there ? fopen(path, "rb") : NULL;
    if (path && there == false && !stat(path, &about)) return failed(902, "basic_string::_M_create");
    if (!file) return failed(701, "opening json config: %s: No such file or directory", path ? path : "");
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    rewind(file);
    char *text = calloc(1, (size_t)size + 1);
    size = (long)fread(text, 1, (size_t)size, file);
    fclose(file);
    Json json = {.at = text, .module = -1, .index = -1};
    json.settings = calloc(MODULES, sizeof *json.settings);
    for (int m = 0; m < modules; m++) {
        memcpy(json.settings[m].module, crate[m].var, sizeof json.settings[m].module);
        memcpy(json.settings[m].channel, crate[m].memory->channel, sizeof json.settings[m].channel);
    }
    json_space(&json);
    bool list = *json.at == '[' || *json.at == '{' || !*json.at;
    json_value(&json, 0);
    json_space(&json);
    int answer = 0;
    if (!list) answer = failed(900, "unknown error: unhandled exception");
    if (!answer && (json.bad || *json.at)) answer = failed(602, "settings: %s: JSON error at byte %td", path, json.at - text);
    for (int m = 0; !answer && m < modules; m++) {
        if (only >= 0 && m != only) continue;
        if (m >= json.found) {
            log_line("WARNING", "settings: %s: no module %d: default settings", path, m);
            default_settings(&crate[m]);
            continue;
        }
        Settings *s = &json.settings[m];
        if (s->has != (HAS_METADATA | HAS_MODULE | HAS_CHANNEL)) {
            answer = failed(602, "'%s' not found", s->has & HAS_METADATA ? s->has & HAS_MODULE ? "channel" : "module" : "metadata");
            break;
        }
        if (s->slot && s->slot != crate[m].slot)
            log_line("WARNING", "settings: module: num=%d: slot %d is not %d", m, s->slot, crate[m].slot);
        if (s->revision && s->revision != 'A' + crate[m].type.revision - 10)
            log_line("WARNING", "settings: module: num=%d: revision %c is another", m, s->revision);
        u32 kept[] = {crate[m].var[SlotID], crate[m].var[ModNum], crate[m].var[FIFOLength]};
        memcpy(crate[m].var, s->module, sizeof s->module);
        crate[m].var[SlotID] = kept[0];
        crate[m].var[ModNum] = kept[1];
        crate[m].var[FIFOLength] = kept[2];
        for (int c = 0; c < crate[m].channels; c++)
            memcpy(crate[m].channel[c].var, s->channel[c], sizeof s->channel[c]);
    }
    free(json.settings);
    free(text);
    return answer;
}

API int Pixie16SaveDSPParametersToFile(const char *path) {
    ENTER("Pixie16SaveDSPParametersToFile", modules, true, IDLE);
    FILE *file = path ? fopen(path, "w") : NULL;
    if (!file) return leave(failed(701, "opening json config: %s", path ? path : ""));
    fputs("[\n", file);
    for (int m = 0; m < modules; m++) {
        if (m) fputs(",\n", file);
        write_json(file, &crate[m]);
    }
    fputs("\n]\n", file);
    return leave(fclose(file) ? failed(704, "settings: cannot write %s", path) : 0);
}

API int Pixie16LoadDSPParametersFromFile(const char *path) {
    ENTER("Pixie16LoadDSPParametersFromFile", modules, true, IDLE);
    return leave(load_settings(path, -1));
}

/* ---- the system: open, boot, close -------------------------------------------------------------------------------- */

API int PixieGetReturnCodeText(int code, char *text, unsigned size) {
    const char *found = "bad error code";
    for (size_t i = 0; i < sizeof ERRORS / sizeof *ERRORS; i++)
        if (ERRORS[i].code == -code) found = ERRORS[i].text;
    if (!text || !size) return -802;
    size_t length = strlen(found); /* as the SDK does it: without an end, if there is room for the text */
    memcpy(text, found, length < size ? length : size);
    return 0;
}

API int PixieGetVersion(char *text, unsigned size) { return snprintf(text, size, "simulated") < 0 ? -900 : 0; }

/* The memories of the modules, by slot: in a file, which outlives the process, if one is named. */
static Memory *memories(void) {
    size_t size = (LAST_SLOT + 1) * sizeof(Memory);
    int file = *control.memory ? open(control.memory, O_RDWR | O_CREAT, 0600) : -1;
    void *found = file >= 0 && !ftruncate(file, (off_t)size)
                      ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) : MAP_FAILED;
    if (file >= 0) close(file);
    if (found != MAP_FAILED) return found;
    if (*control.memory) log_line("ERROR", "simulation: no memory of modules: %s", control.memory);
    return calloc(1, size);
}

API int Pixie16InitSystem(u16 count, u16 *slots, u16 offline_mode) {
    static bool tried;
    ENTER("Pixie16InitSystem", -1, true, NOTHING);
    if (tried) {
        broken = true;
        for (int m = 0; m < modules; m++) crate[m].online = false, crate[m].run = NO_RUN;
        return leave(failed(100, "create already initialised"));
    }
    if (offline_mode) { /* what XIA's SDK 5 brings for trials without hardware */
        static const Type TYPES[] = {
            {15, 250, 16, 35207, 250}, {15, 500, 14, 35207, 500}, {15, 250, 14, 35207, 251}, {17, 250, 14, 46540, 252}};
        Type none = {0};
        for (int slot = FIRST_SLOT; slot <= LAST_SLOT; slot++) control.slots[slot] = slot < 6 ? TYPES[slot - 2] : none;
    }
    if (count < 1) return leave(failed(201, "no modules requested"));
    if (count > MODULES) return leave(failed(201, "requested more modules than slots"));
    if (offline_mode && count > 4) return leave(failed(201, "more modules requested than available"));
    tried = true; /* from here on only a new process helps */
    for (int i = 0; i < count; i++) {
        if (slots[i] < 1 || slots[i] > LAST_SLOT) return leave(failed(200, "module asignment has invalid slot numbers"));
        if (!control.slots[slots[i]].msps) return leave(failed(200, "module asignment refences empty slot: %d", slots[i]));
    }
    Memory *kept = memories();
    offline = offline_mode;
    modules = count;
    for (int i = 0; i < count; i++) {
        Module *m = &crate[i];
        memset(m, 0, sizeof *m);
        m->type = control.slots[slots[i]];
        m->slot = slots[i];
        m->channels = m->type.revision == 17 ? 32 : 16;
        m->memory = &kept[m->slot];
        m->var = m->memory->var;
        ring_resize(&m->fifo, FIFO_WORDS);
        for (int c = 0; c < m->channels; c++) {
            m->channel[c].var = m->memory->channel[c];
            m->channel[c].histogram = calloc(BINS, sizeof(u32));
            m->channel[c].random = (control.seed * 64 + (u64)m->slot) * 6364136223846793005u + (u64)c * 2654435761u + 1;
            for (int k = 0; k < 8; k++) uniform(&m->channel[c].random);
        }
    }
    opened = true;
    log_line("INFO", "crate: %d modules", count);
    return leave(0);
}

API int Pixie16ExitSystem(u16 module) {
    ENTER("Pixie16ExitSystem", module, true, OPEN);
    for (int m = 0; m < modules; m++)
        if ((module == modules || m == module) && crate[m].run != NO_RUN)
            return leave(failed(218, "module: num=%d,slot=%d: invalid action while run active", m, crate[m].slot));
    for (int m = 0; m < modules; m++) {
        if (module != modules && m != module) continue;
        if (crate[m].closed) return leave(failed(204, "module: slot=%d: module: check: module not open", crate[m].slot));
        crate[m].online = false;
        crate[m].closed = true;
    }
    return leave(0);
}

/* A file of firmware, whose name may say what it is for: rev<letter>, <bits>b<MHz>m, r<revision>. */
static int check_firmware(Module *m, const char *path) {
    struct stat about;
    if (!path || stat(path, &about) || !S_ISREG(about.st_mode)) return failed(700, "firmware: file not found: %s", path ? path : "");
    if (!about.st_size) return failed(703, "firmware: %s is empty", path);
    const char *name = strrchr(path, '/'), *rev, *type = NULL;
    name = name ? name + 1 : path;
    int bits, msps;
    char letter;
    if ((rev = strstr(name, "rev")) && isalpha((unsigned char)rev[3]) && toupper((unsigned char)rev[3]) != 'A' + m->type.revision - 10)
        return failed(207, "firmware: %s is not for revision %c", name, 'A' + m->type.revision - 10);
    for (const char *p = name; *p; p++)
        if (isdigit((unsigned char)*p) && (p == name || !isdigit((unsigned char)p[-1])) && sscanf(p, "%db%d%c", &bits, &msps, &letter) == 3 && letter == 'm') type = p;
    if (type) {
        sscanf(type, "%db%d", &bits, &msps);
        if (bits != m->type.bits || msps != m->type.msps)
            return failed(207, "firmware: %s is not for %d-%d-%d", name, m->type.revision, m->type.msps, m->type.bits);
    }
    return 0;
}

static void go_online(Module *m) {
    m->online = true;
    if (m->memory->firmware) m->type.firmware = m->memory->firmware;
    m->var[SlotID] = (u32)m->slot;
    m->var[ModNum] = (u32)(m - crate);
}

static int boot(Module *m, const char *const files[5]) {
    int number = (int)(m - crate), answer = fault("boot", number);
    if (answer) return answer;
    for (int f = 0; f < 4; f++)
        if ((answer = check_firmware(m, files[f]))) return answer;
    /* Others may call while a module boots. */
    double until = wall() + 1e9 * control.boot_seconds;
    while (wall() < until) {
        pthread_mutex_unlock(&lock);
        usleep(2000);
        pthread_mutex_lock(&lock);
    }
    for (int f = 0; f < 4; f++) snprintf(m->memory->files[f], sizeof m->memory->files[f], "%s", files[f]);
    const char *revision = NULL;
    for (const char *p = m->memory->files[2]; (p = strstr(p, "_r")); p++)
        if (isdigit((unsigned char)p[2])) revision = p + 2;
    m->memory->firmware = revision ? atoi(revision) : 0;
    m->memory->booted = true;
    go_online(m);
    default_settings(m);
    log_line("INFO", "module: num=%d,slot=%d: booted", number, m->slot);
    return 0;
}

API int Pixie16BootModule(const char *com, const char *sp, const char *trigger, const char *dsp, const char *par,
                          const char *var, u16 module, u16 pattern) {
    enum { DEVICES_BITS = 0xd, SETTINGS_BIT = 1 << 4 };
    ENTER("Pixie16BootModule", module, true, OPEN);
    (void)trigger;
    if (!com || !sp || !dsp || !par || !var) return leave(failed(802, "a file name is null"));
    if (pattern & DEVICES_BITS && (pattern & DEVICES_BITS) != DEVICES_BITS)
        return leave(failed(802, "must boot COMM, FPGA and DSP together"));
    if (offline || kinds) return leave(failed(207, "firmware: set: add: different user set already exists"));
    const char *const files[] = {com, sp, dsp, var, par};
    int answer = 0;
    for (int m = 0; m < modules && !answer; m++) {
        if (module != modules && m != module) continue;
        if (crate[m].run != NO_RUN) answer = failed(218, "module: num=%d: invalid action while run active", m);
        else if (pattern & DEVICES_BITS || !crate[m].online) answer = boot(&crate[m], files);
    }
    if (!answer && pattern & SETTINGS_BIT) answer = load_settings(par, module == modules ? -1 : module);
    return leave(answer);
}

static int register_firmware(int revision, int msps, int bits, const char *device, const char *path) {
    int d = 0, k = 0;
    while (d < 4 && (!device || strcmp(device, DEVICES[d]))) d++;
    if (!device || !path) return failed(802, "device or path is null");
    if (d == 4) return failed(207, "firmware: check: invalid device: %s", device);
    while (k < kinds && (registered[k].revision != revision || registered[k].msps != msps || registered[k].bits != bits)) k++;
    if (k == MODULES) return failed(800, "firmware: too many kinds");
    if (k == kinds) registered[kinds++] = (Registered){revision, msps, bits, {"", "", "", ""}};
    char *known = registered[k].files[d];
    if (*known && strcmp(known, path)) return failed(207, "firmware: set: add: different user set already exists");
    snprintf(known, sizeof registered[k].files[d], "%s", path);
    return 0;
}

API int PixieRegisterFirmware(unsigned version, int revision, int msps, int bits, const char *device, const char *path,
                              u16 module) {
    ENTER("PixieRegisterFirmware", module, false, OPEN);
    (void)version;
    if (crate[module].type.revision != revision)
        return leave(failed(207, "can only register firmware to module with matching revision"));
    return leave(register_firmware(revision, msps, bits, device, path));
}

API int PixieRegisterCrateFirmware(unsigned version, int revision, int msps, int bits, const char *device,
                                   const char *path) {
    ENTER("PixieRegisterCrateFirmware", modules, true, OPEN);
    (void)version;
    return leave(register_firmware(revision, msps, bits, device, path));
}

/* The files that were registered for the module; NULL if not all were. */
static const Registered *registered_for(const Module *m) {
    for (int k = 0; k < kinds; k++) {
        const Registered *r = &registered[k];
        if (r->revision == m->type.revision && r->msps == m->type.msps && r->bits == m->type.bits)
            return *r->files[0] && *r->files[1] && *r->files[2] && *r->files[3] ? r : NULL;
    }
    return NULL;
}

static int boot_registered(Module *m) {
    if (offline) { /* the SDK brings the firmware of what it simulates */
        for (int f = 0; f < 4; f++) snprintf(m->memory->files[f], sizeof m->memory->files[f], "simulated");
        m->memory->firmware = 0;
        go_online(m);
        default_settings(m);
        return 0;
    }
    const Registered *r = registered_for(m);
    if (!r) return failed(207, "firmware: not found: %d-%d-%d", m->type.revision, m->type.msps, m->type.bits);
    const char *const files[] = {r->files[0], r->files[1], r->files[2], r->files[3], ""};
    return boot(m, files);
}

/* Modes: 0 boots what is off line, 1 all, 2 none, but loads settings; 1 loads them, too, if there are any. */
API int PixieBootCrate(const char *settings, int mode) {
    ENTER("PixieBootCrate", modules, true, OPEN);
    bool named = settings && *settings, all = true;
    for (int m = 0; m < modules; m++)
        if (crate[m].run != NO_RUN) return leave(failed(218, "module: num=%d: invalid action while run active", m));
    for (int m = 0; m < modules; m++) { /* the probe */
        bool there = (offline || registered_for(&crate[m])) && (offline || crate[m].memory->booted);
        if (there) go_online(&crate[m]);
        all &= there;
    }
    if (mode == 2 && !named) return leave(failed(802, "settings file is null or empty"));
    if (mode == 2 && !all) return leave(failed(204, "fast boot not available with offline modules"));
    for (int m = 0; m < modules && (mode == 1 || (mode != 2 && !all)); m++) {
        int answer = mode != 1 && crate[m].online ? 0 : boot_registered(&crate[m]);
        if (answer) return leave(answer);
    }
    return leave(named && (mode == 1 || mode == 2) ? load_settings(settings, -1) : 0);
}

API int Pixie16ReadModuleInfo(u16 module, u16 *revision, u32 *serial, u16 *bits, u16 *msps) {
    ENTER("Pixie16ReadModuleInfo", module, false, OPEN);
    *revision = (u16)crate[module].type.revision;
    *serial = crate[module].type.serial;
    *bits = (u16)crate[module].type.bits;
    *msps = (u16)crate[module].type.msps;
    return leave(0);
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

API int Pixie16WriteSglChanPar(const char *name, double value, u16 module, u16 channel) {
    ENTER("Pixie16WriteSglChanPar", module, false, IDLE);
    if (channel >= crate[module].channels) return leave(failed(300, "module: num=%d: invalid channel: %d", module, channel));
    log_line("INFO", "module: num=%d,slot=%d: write channel %d: %s = %g", module, crate[module].slot, channel, name, value);
    return leave(write_channel(&crate[module], &crate[module].channel[channel], name, value));
}

API int Pixie16ReadSglChanPar(const char *name, double *value, u16 module, u16 channel) {
    ENTER("Pixie16ReadSglChanPar", module, false, IDLE);
    if (channel >= crate[module].channels) return leave(failed(300, "module: num=%d: invalid channel: %d", module, channel));
    return leave(read_channel(&crate[module], &crate[module].channel[channel], name, value));
}

API int Pixie16WriteSglModPar(const char *name, u32 value, u16 module) {
    ENTER("Pixie16WriteSglModPar", module, true, IDLE);
    int answer = 0;
    for (int m = 0; m < modules && !answer; m++) {
        if (module != modules && m != module) continue;
        log_line("INFO", "module: num=%d,slot=%d: write %s = %u", m, crate[m].slot, name, value);
        answer = write_module(&crate[m], name, value);
    }
    return leave(answer);
}

API int Pixie16ReadSglModPar(const char *name, u32 *value, u16 module) {
    ENTER("Pixie16ReadSglModPar", module, false, IDLE);
    int var = module_variable(name);
    if (var >= 0) *value = crate[module].var[var];
    return leave(var < 0 ? var : 0);
}

API int Pixie16CopyDSPParameters(u16 groups, u16 module, u16 channel, u16 *destination) {
    static const int GROUPS[13][10] = {
        {SlowLength, SlowGap, FastLength, FastGap, FastThresh, PeakSample, PeakSep, TriggerDelay, -1},
        {OffsetDAC, GainDAC, -1}, {EnergyLow, Log2Ebin, -1}, {PreampTau, -1}, {TraceLength, PAFlength, -1},
        {BLcut, BaselinePercent, Log2Bweight, -1}, {-1}, {ChanCSRa, -1}, {CFDDelay, CFDScale, CFDThresh, -1},
        {ExtTrigStretch, VetoStretch, ChanTrigStretch, FastTrigBackLen, -1}, {ExternDelayLen, FtrigoutDelay, -1},
        {MultiplicityMaskL, MultiplicityMaskH, -1},
        {QDCLen0, QDCLen1, QDCLen2, QDCLen3, QDCLen4, QDCLen5, QDCLen6, QDCLen7, -1}};
    static const u32 ANALOG = POSITIVE | GAIN;
    ENTER("Pixie16CopyDSPParameters", module, false, IDLE);
    if (channel >= crate[module].channels) return leave(failed(300, "module: num=%d: invalid channel: %d", module, channel));
    Channel from = crate[module].channel[channel];
    size_t at = 0;
    for (int m = 0; m < modules; m++)
        for (int c = 0; c < crate[m].channels; c++, at++) {
            if (!destination[at]) continue;
            Channel *to = &crate[m].channel[c];
            u32 delay = groups >> 4 & 1 ? delay_of(&from) : delay_of(to);
            for (int g = 0; g < 13; g++)
                for (const int *v = GROUPS[g]; groups >> g & 1 && *v >= 0; v++) to->var[*v] = from.var[*v];
            if (groups >> 1 & 1) to->var[ChanCSRa] = (to->var[ChanCSRa] & ~ANALOG) | (from.var[ChanCSRa] & ANALOG);
            to->var[PAFlength] = clamp(to->var[TriggerDelay] + delay, 0, FIFO_LENGTH);
        }
    return leave(0);
}

/* ---- runs --------------------------------------------------------------------------------------------------------- */

static int start(const char *call, u16 module, enum run kind, u16 mode) {
    ENTER(call, module, true, ONLINE);
    if (mode > 1) return leave(failed(802, "%s: invalid start run mode", call));
    int waiting = 0;
    bool leader = false;
    for (int m = 0; m < modules; m++) {
        waiting += crate[m].var[SynchWait] == 1;
        leader |= crate[m].var[ModCSRB] & RUN_LEADER;
        if ((module == modules || m == module) && crate[m].run != NO_RUN)
            return leave(control.unchecked
                ? failed(206, "module: num=%d,slot=%d: module already running a task", m, crate[m].slot)
                : failed(218, "module: num=%d,slot=%d: invalid action while run active", m, crate[m].slot));
    }
    if (waiting && waiting < modules)
        return leave(failed(206, "sync wait mode enabled and not all slots in the sync wait state: %d of %d waiting", waiting, modules));
    if (waiting && !leader) return leave(failed(206, "sync wait mode enabled but no run leader slot is assigned"));
    double now = wall();
    for (int i = 0; i < modules; i++) {
        if (module != modules && i != module) continue;
        Module *m = &crate[i];
        m->run = kind;
        m->noticed = false;
        m->real = 0;
        ring_resize(&m->queue, (size_t)control.buffers * BLOCK);
        ring_get(&m->fifo, NULL, m->fifo.count);
        memset(&m->statistics, 0, sizeof m->statistics);
        for (int c = 0; mode && c < m->channels; c++) {
            m->channel[c].fast = m->channel[c].events = 0;
            m->channel[c].dead = 0;
            memset(m->channel[c].histogram, 0, BINS * sizeof(u32));
        }
        if (m->var[SynchWait]) m->waiting = true;
        else begin(m, now);
        log_line("INFO", "module: num=%d,slot=%d: run started", i, m->slot);
    }
    synchronise(now);
    return leave(0);
}

API int Pixie16StartListModeRun(u16 module, u16 type, u16 mode) {
    if (type != 0x100) return -802;
    return start("Pixie16StartListModeRun", module, LIST_MODE, mode);
}

API int Pixie16StartHistogramRun(u16 module, u16 mode) { return start("Pixie16StartHistogramRun", module, MCA, mode); }

API int Pixie16EndRun(u16 module) {
    ENTER("Pixie16EndRun", module, true, ONLINE);
    double now = wall();
    for (int m = 0; m < modules; m++) {
        if (module != modules && m != module) continue;
        if (crate[m].run == NO_RUN) continue;
        if (control.stuck[m]) {
            pthread_mutex_unlock(&lock);
            usleep(1000000);
            pthread_mutex_lock(&lock);
            return leave(failed(214, "module: num=%d,slot=%d: failed to end active run task; module reboot required", m, crate[m].slot));
        }
        crate[m].noticed = true;
        if (crate[m].waiting) finish(&crate[m]);
        else {
            crate[m].end = now;
            synchronise(now); /* before it is over, so that it takes the others with it */
            advance(&crate[m], now);
        }
    }
    for (int m = 0; m < modules; m++) advance(&crate[m], now);
    return leave(0);
}

API int Pixie16CheckRunStatus(u16 module) {
    ENTER("Pixie16CheckRunStatus", module, false, ONLINE);
    Module *m = &crate[module];
    bool lingers = m->started && wall() < m->end + 1e9 * control.linger[module];
    return leave(m->run != NO_RUN || lingers);
}

API int Pixie16CheckExternalFIFOStatus(u32 *words, u16 module) {
    ENTER("Pixie16CheckExternalFIFOStatus", module, false, ONLINE);
    *words = (u32)crate[module].queue.count;
    return leave(0);
}

API int Pixie16ReadDataFromExternalFIFO(u32 *data, u32 words, u16 module) {
    ENTER("Pixie16ReadDataFromExternalFIFO", module, false, ONLINE);
    Module *m = &crate[module];
    size_t there = m->queue.count < words ? m->queue.count : words;
    if (there) ring_get(&m->queue, data, there);
    m->statistics.out += words;
    return leave(0);
}

static int fifo_statistics(const char *call, u16 module, FifoStatistics *statistics) {
    ENTER(call, module, false, ONLINE);
    *statistics = crate[module].statistics;
    return leave(0);
}

API int PixieReadRunFifoStats(u16 module, FifoStatistics *s) { return fifo_statistics("PixieReadRunFifoStats", module, s); }

API int Pixie16GetStatisticsSize(void) { return STATISTICS; }

/* Real time, then live time, triggers and events of each channel, 64 bits each; times in ns. */
API int Pixie16ReadStatisticsFromModule(u32 *words, u16 module) {
    ENTER("Pixie16ReadStatisticsFromModule", module, false, ONLINE);
    Module *m = &crate[module];
    u64 values[STATISTICS / 2] = {(u64)m->real};
    for (int c = 0; c < m->channels; c++) {
        double live = m->real - m->channel[c].dead;
        values[1 + 3 * c] = live > 0 ? (u64)live : 0;
        values[2 + 3 * c] = m->channel[c].fast;
        values[3 + 3 * c] = m->channel[c].events;
    }
    memcpy(words, values, STATISTICS * sizeof *words);
    log_line("INFO", "module: num=%d,slot=%d: read-stats", module, m->slot);
    return leave(0);
}

static double statistic(const u32 *words, int at) {
    u64 value;
    memcpy(&value, words + 2 * at, sizeof value);
    return (double)value;
}

API double Pixie16ComputeRealTime(u32 *words, u16 module) { (void)module; return statistic(words, 0) / 1e9; }
API double Pixie16ComputeLiveTime(u32 *words, u16 module, u16 c) {
    (void)module;
    return c < CHANNELS ? statistic(words, 1 + 3 * c) / 1e9 : -300;
}
API double Pixie16ComputeRawInputCount(u32 *words, u16 module, u16 c) {
    (void)module;
    return c < CHANNELS ? statistic(words, 2 + 3 * c) : -300;
}
API double Pixie16ComputeRawOutputCount(u32 *words, u16 module, u16 c) {
    (void)module;
    return c < CHANNELS ? statistic(words, 3 + 3 * c) : -300;
}

API double Pixie16ComputeInputCountRate(u32 *words, u16 module, u16 c) {
    double live = Pixie16ComputeLiveTime(words, module, c);
    return live > 0 ? Pixie16ComputeRawInputCount(words, module, c) / live : 0;
}

API double Pixie16ComputeOutputCountRate(u32 *words, u16 module, u16 c) {
    double real = Pixie16ComputeRealTime(words, module);
    return real > 0 ? Pixie16ComputeRawOutputCount(words, module, c) / real : 0;
}

API int Pixie16ReadHistogramFromModule(u32 *data, u32 bins, u16 module, u16 channel) {
    ENTER("Pixie16ReadHistogramFromModule", module, false, ONLINE);
    if (channel >= crate[module].channels) return leave(failed(300, "module: num=%d: invalid channel: %d", module, channel));
    for (u32 i = 0; i < bins; i++) data[i] = i < BINS ? crate[module].channel[channel].histogram[i] : 0;
    return leave(0);
}

/* ---- set-up tools -------------------------------------------------------------------------------------------------- */

API int Pixie16AdjustOffsets(u16 module) {
    ENTER("Pixie16AdjustOffsets", module, true, IDLE);
    for (int i = 0; i < modules; i++) {
        if (module != modules && i != module) continue;
        for (int k = 0; k < crate[i].channels; k++) {
            Channel *c = &crate[i].channel[k];
            if (!(c->var[ChanCSRa] & GOOD)) continue;
            double own = 0.02 * k - 0.2, volts = 3 * ((double)c->var[BaselinePercent] / 100 - 0.5) - own;
            c->var[OffsetDAC] = volts > 1.5 ? 65535 : volts < -1.5 ? 0 : clamp(whole((volts + 1.5) * 65536 / 3), 0, 65535);
        }
    }
    return leave(0);
}

API int Pixie16SetDACs(u16 module) {
    ENTER("Pixie16SetDACs", module, true, IDLE);
    return leave(0);
}

API int Pixie16AcquireADCTrace(u16 module) {
    ENTER("Pixie16AcquireADCTrace", module, false, IDLE);
    crate[module].scope = true;
    return leave(0);
}

API int PixieGetTraceLength(u16 module, u16 channel, u32 *samples) {
    ENTER("PixieGetTraceLength", module, false, ONLINE);
    if (channel >= crate[module].channels) return leave(failed(300, "module: num=%d: invalid channel: %d", module, channel));
    *samples = SCOPE;
    return leave(0);
}

API int Pixie16ReadSglChanADCTrace(u16 *trace, u32 samples, u16 module, u16 channel) {
    ENTER("Pixie16ReadSglChanADCTrace", module, false, IDLE);
    Module *m = &crate[module];
    if (channel >= m->channels) return leave(failed(300, "module: num=%d: invalid channel: %d", module, channel));
    if (!m->scope) return leave(failed(206, "module: num=%d: no ADC trace was acquired", module));
    Channel *c = &m->channel[channel];
    double base = baseline(m, c), step = 10.0 * c->var[Xwait], rate = offline ? 0 : control.rate[module][channel];
    double since = 1e18, next = rate > 0 ? -log(uniform(&c->random)) * 1e9 / rate : INFINITY, high = 0;
    for (u32 i = 0; i < samples; i++) {
        for (since += step, next -= step; next < 0; next -= log(uniform(&c->random)) * 1e9 / rate) {
            since = -next;
            high = height(m, c, energy_of(&c->random));
        }
        double y = base + high * shape(since) * (!!(c->var[ChanCSRa] & POSITIVE) == !control.negative ? 1 : -1) + 2 * normal(&c->random);
        trace[i] = (u16)(y < 0 ? 0 : y > full(m) - 1 ? full(m) - 1 : y);
    }
    return leave(0);
}

API int Pixie16AcquireBaselines(u16 module) {
    ENTER("Pixie16AcquireBaselines", module, false, IDLE);
    if (crate[module].type.revision == 17) return leave(failed(803, "not supported"));
    crate[module].baselines = true;
    return leave(0);
}

API int Pixie16ReadSglChanBaselines(double *values, double *times, u16 count, u16 module, u16 channel) {
    ENTER("Pixie16ReadSglChanBaselines", module, false, IDLE);
    Module *m = &crate[module];
    if (channel >= m->channels) return leave(failed(300, "module: num=%d: invalid channel: %d", module, channel));
    if (!m->baselines) return leave(failed(206, "module: num=%d: no baselines were acquired", module));
    Channel *c = &m->channel[channel];
    int most = m->type.revision == 17 ? 1927 : 3640;
    if (count > most) return leave(failed(802, "module: num=%d: at most %d baselines", module, most));
    for (int i = 0; i < count; i++) {
        values[i] = baseline(m, c) + normal(&c->random);
        times[i] = i * (double)(c->var[SlowLength] + c->var[SlowGap]) * range(m) * tick(m) / 1e9;
    }
    return leave(0);
}

API int Pixie16BLcutFinder(u16 module, u16 channel, u32 *cut) {
    ENTER("Pixie16BLcutFinder", module, false, IDLE);
    if (channel >= crate[module].channels) return leave(failed(300, "module: num=%d: invalid channel: %d", module, channel));
    if (crate[module].type.revision == 17) return leave(failed(803, "not supported"));
    find_blcut(&crate[module], &crate[module].channel[channel]);
    *cut = crate[module].channel[channel].var[BLcut];
    return leave(0);
}

API int Pixie16TauFinder(u16 module, double *taus) {
    ENTER("Pixie16TauFinder", module, false, IDLE);
    if (crate[module].type.revision == 17) return leave(failed(803, "not supported"));
    for (int c = 0; c < crate[module].channels; c++) {
        bool found = !offline && crate[module].channel[c].var[ChanCSRa] & GOOD && control.rate[module][c] > 0;
        taus[c] = found ? control.tau : -1.0;
    }
    return leave(0);
}
