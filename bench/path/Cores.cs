using System.Globalization;
using Fairlead.Lab;
using Fairlead.Lab.Topologies;

namespace Fairlead.Bench.Path;

/// <summary>Who works on which core, and how much.</summary>
internal static class Cores
{
    /// <summary>Has what comes in on the device worked on by this core, in a thread of its own: gives its id.</summary>
    public static string Pin(Bed bed, string host, string device, int core)
    {
        HashSet<string> before = [.. Threads(device)];
        bed.Run(host, "sh", "-c", $"echo 1 > /sys/class/net/{device}/threaded");
        string made = Threads(device).Single(thread => !before.Contains(thread));
        Command.Run("taskset", "-pc", $"{core}", made);
        return made;
    }

    /// <summary>Seconds that a core has worked since the machine started.</summary>
    public static double Busy(int core)
    {
        string line = File.ReadLines("/proc/stat").First(one => one.StartsWith($"cpu{core} ", StringComparison.Ordinal));
        // user nice system idle iowait irq softirq steal, in hundredths.
        long[] parts = [.. line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1..9]
            .Select(part => long.Parse(part, CultureInfo.InvariantCulture))];
        return (parts.Sum() - parts[3] - parts[4]) / 100.0;
    }

    /// <summary>Nanoseconds that a thread has run.</summary>
    public static long Ran(string thread) => long.Parse(
        File.ReadAllText($"/proc/{thread}/schedstat").Split(' ')[0], CultureInfo.InvariantCulture);

    private static IEnumerable<string> Threads(string device)
    {
        foreach (string folder in Directory.GetDirectories("/proc").Where(path => char.IsAsciiDigit(path[6])))
        {
            string name;
            try
            {
                name = File.ReadAllText($"{folder}/comm").Trim();
            }
            catch (IOException)
            {
                continue; // It has ended.
            }

            if (name.StartsWith($"napi/{device}-", StringComparison.Ordinal)) yield return folder[6..];
        }
    }
}
