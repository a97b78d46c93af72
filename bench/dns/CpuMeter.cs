using System.Globalization;

namespace Fairlead.Bench.Dns;

/// <summary>What a process and its children have used, from /proc/PID/stat and status (proc(5)).</summary>
internal static class CpuMeter
{
    /// <summary>User and system time in microseconds; the kernel counts them in ticks of 10 ms.</summary>
    public static (double User, double System) Micros(int pid)
    {
        List<int> tree = Tree(pid);
        return (tree.Sum(one => Ticks(one, 11)) * 10_000.0, tree.Sum(one => Ticks(one, 12)) * 10_000.0);
    }

    public static long ResidentBytes(int pid) => Tree(pid).Sum(Resident);

    private static List<int> Tree(int root)
    {
        var parents = new Dictionary<int, int>();
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out int pid)
                && Stat(pid) is { } stat)
                parents[pid] = int.Parse(stat[1], CultureInfo.InvariantCulture);
        }

        var tree = new List<int> { root };
        for (int i = 0; i < tree.Count; i++)
            tree.AddRange(parents.Where(pair => pair.Value == tree[i]).Select(pair => pair.Key));
        return tree;
    }

    private static long Ticks(int pid, int field) =>
        Stat(pid) is { } stat ? long.Parse(stat[field], CultureInfo.InvariantCulture) : 0;

    private static long Resident(int pid)
    {
        // The proportional set counts what forked processes share once.
        string? line = Lines($"/proc/{pid}/smaps_rollup")
            .FirstOrDefault(line => line.StartsWith("Pss:", StringComparison.Ordinal));
        string? kibibytes = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        return kibibytes is null ? 0 : long.Parse(kibibytes, CultureInfo.InvariantCulture) * 1024;
    }

    // The fields after the command's name, which may hold blanks: field 0 is the state.
    private static string[]? Stat(int pid) => Lines($"/proc/{pid}/stat") is [{ } line, ..]
        ? line[(line.LastIndexOf(')') + 2)..].Split(' ')
        : null;

    private static string[] Lines(string file)
    {
        try
        {
            return File.ReadAllLines(file);
        }
        catch (IOException)
        {
            return []; // It ended between the listing and the look.
        }
    }
}
