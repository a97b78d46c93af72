using System.Runtime.InteropServices;
using System.Text;

namespace Fairlead.Net.Linux;

/// <summary>
/// Loads what bpf/build has packed (bpftool gen skeleton -L): a program of the kernel's own that makes the maps and
/// loads the programs. It takes three calls of bpf(2) and no library; it needs Linux 5.14.
/// </summary>
public sealed unsafe class LightSkeleton
{
    private const int ContextBytes = 24;
    private const int MapBytes = 16;
    private const int LogBytes = 16 << 20;

    private readonly List<string> maps = [];
    private readonly List<string> programs = [];
    private readonly byte[] data = [];
    private readonly byte[] instructions = [];

    /// <summary>From the text that bpf/build wrote.</summary>
    public LightSkeleton(TextReader text)
    {
        while (text.ReadLine() is { } line)
        {
            string[] words = line.Split(' ', 2);
            switch (words[0])
            {
                case "map": maps.Add(words[1]); break;
                case "program": programs.Add(words[1]); break;
                case "data": data = Convert.FromHexString(words[1]); break;
                case "instructions": instructions = Convert.FromHexString(words[1]); break;
                default: throw new InvalidDataException($"a skeleton's line begins with '{words[0]}'");
            }
        }
    }

    public IReadOnlyList<string> Maps => maps;

    public IReadOnlyList<string> Programs => programs;

    /// <summary>
    /// Makes the maps, with the entries asked for (else what the object says), and loads the programs. With `log`, the
    /// verifier's words are there when it fails: they are long, and only who works on the program can use them.
    /// </summary>
    public Dictionary<string, BpfObject> Load(IReadOnlyDictionary<string, int> entries, bool log = false)
    {
        // struct bpf_loader_ctx { u32 size, flags, log_level, log_size; u64 log }, then for each map
        // { int fd; u32 max_entries; u64 initial_value }, then an int for each program.
        byte[] context = new byte[ContextBytes + MapBytes * maps.Count + sizeof(int) * programs.Count];
        byte[] words = log ? new byte[LogBytes] : [];
        fixed (byte* at = context, wordsAt = words)
        {
            uint* head = (uint*)at;
            head[0] = (uint)context.Length;
            if (log) (head[2], head[3], *(ulong*)(at + 16)) = (1, LogBytes, (ulong)wordsAt);
            for (int i = 0; i < maps.Count; i++)
            {
                if (entries.TryGetValue(maps[i], out int count))
                    *(int*)(at + ContextBytes + MapBytes * i + 4) = count;
            }

            int error = Run(at, context.Length);
            // Behind the first zero byte, kernels before 6.4 leave what they said of branches that were well.
            string said = Encoding.UTF8.GetString(words, 0, Math.Max(0, words.AsSpan().IndexOf((byte)0)));
            if (error < 0) throw new IOException($"the kernel does not take the program: errno {-error}\n{said}");
        }

        var loaded = new Dictionary<string, BpfObject>(StringComparer.Ordinal);
        for (int i = 0; i < maps.Count; i++)
            loaded[maps[i]] = new BpfObject(BitConverter.ToInt32(context, ContextBytes + MapBytes * i));
        int after = ContextBytes + MapBytes * maps.Count;
        for (int i = 0; i < programs.Count; i++)
            loaded["program " + programs[i]] = new BpfObject(BitConverter.ToInt32(context, after + sizeof(int) * i));
        return loaded;
    }

    private int Run(byte* context, int contextBytes)
    {
        var create = new Libc.BpfAttributes
        {
            MapType = Libc.BPF_MAP_TYPE_ARRAY,
            KeySize = sizeof(int),
            ValueSize = (uint)data.Length,
            MaxEntries = 1,
        };
        using var map = new BpfObject(BpfObject.Check(Libc.Bpf(Libc.BPF_MAP_CREATE, ref create), "no map is made"));
        int key = 0, mapFd = map.Fd;
        fixed (byte* values = data, code = instructions, license = "Dual BSD/GPL\0"u8)
        {
            var fill = new Libc.BpfAttributes { MapFd = mapFd, Key = &key, Value = values };
            _ = BpfObject.Check(Libc.Bpf(Libc.BPF_MAP_UPDATE_ELEM, ref fill), "the loader's data cannot be set");
            var load = new Libc.BpfAttributes
            {
                ProgramType = Libc.BPF_PROG_TYPE_SYSCALL,
                InstructionCount = (uint)instructions.Length / 8,
                Instructions = code,
                License = license,
                ProgramFlags = Libc.BPF_F_SLEEPABLE,
                FdArray = &mapFd,
            };
            using var loader =
                new BpfObject(BpfObject.Check(Libc.Bpf(Libc.BPF_PROG_LOAD, ref load), "no loader is loaded"));
            var run = new Libc.BpfAttributes
            {
                RunFd = loader.Fd,
                ContextIn = context,
                ContextSizeIn = (uint)contextBytes,
            };
            int result = Libc.Bpf(Libc.BPF_PROG_TEST_RUN, ref run);
            return result < 0 ? -Marshal.GetLastPInvokeError() : (int)run.ReturnValue;
        }
    }
}
