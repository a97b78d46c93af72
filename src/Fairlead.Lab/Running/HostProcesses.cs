using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using Fairlead.Net.Linux;

namespace Fairlead.Lab.Running;

/// <summary>Processes by the network namespace they are in.</summary>
internal static class HostProcesses
{
    public static bool Exists(string name) => File.Exists($"/run/netns/{name}");

    /// <summary>Kills every process of the namespaces and the given ones, and waits until all are gone.</summary>
    public static void Kill(IEnumerable<string> namespaces, IEnumerable<LabProcess> processes)
    {
        HashSet<string> ids = [.. namespaces.Where(Exists).Select(IdOf)];
        LabProcess[] named = [.. processes];
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            // Again until none is left: a process may have started another one meanwhile.
            List<int> alive = [.. In(ids), .. named.Where(process => process.IsAlive).Select(process => process.Pid)];
            if (alive.Count == 0) return;
            if (Stopwatch.GetElapsedTime(start) > TimeSpan.FromSeconds(10))
                throw new IOException($"these processes do not die: {string.Join(' ', alive.Distinct())}");
            foreach (int pid in alive.Distinct()) KillOne(pid);
            Pause.For(TimeSpan.FromMilliseconds(5), CancellationToken.None);
        }
    }

    private static IEnumerable<int> In(HashSet<string> ids)
    {
        foreach (string folder in Directory.EnumerateDirectories("/proc"))
        {
            if (!int.TryParse(Path.GetFileName(folder), NumberStyles.None, CultureInfo.InvariantCulture, out int pid)
                || pid == Environment.ProcessId)
                continue;
            string? id = NamespaceOf(folder);
            bool isOurs = id is not null
                ? ids.Contains(id) && LabProcess.StartTimeOf(pid) is not null
                : TasksOf(folder).Select(NamespaceOf).Any(other => other is not null && ids.Contains(other));
            if (isOurs) yield return pid;
        }
    }

    /// <summary>A killed program's first thread may be gone while others still hold its ports.</summary>
    private static string[] TasksOf(string folder)
    {
        try
        {
            return Directory.GetDirectories($"{folder}/task");
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static string? NamespaceOf(string folder)
    {
        try
        {
            return new FileInfo($"{folder}/ns/net").LinkTarget;
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static void KillOne(int pid)
    {
        try
        {
            using var process = Process.GetProcessById(pid);
            process.Kill();
        }
        catch (Exception gone) when (gone is ArgumentException or InvalidOperationException or Win32Exception)
        {
            // It ended by itself between the look and the kill.
        }
    }

    /// <summary>The namespace as the kernel names it: "net:[4026532001]".</summary>
    private static string IdOf(string name) =>
        NetworkNamespace.Run(name, () => new FileInfo("/proc/thread-self/ns/net").LinkTarget ?? "");
}

/// <summary>Waiting between two looks at something outside.</summary>
internal static class Pause
{
    /// <summary>OperationCanceledException as soon as the token is.</summary>
    public static void For(TimeSpan time, CancellationToken cancellation)
    {
        using var never = new ManualResetEventSlim();
        _ = never.Wait(time, cancellation);
    }
}
