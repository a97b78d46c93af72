using System.Diagnostics;
using System.Net.Sockets;
using System.Text;
using Fairlead.Lab.Topologies;

namespace Fairlead.InteropTests.Bgp;

/// <summary>A BIRD in a host of a bed, asked over its control socket (which answers in under a millisecond).</summary>
public sealed class BirdRouter : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("fairlead-bird").FullName;

    public BirdRouter(Bed bed, string host, string configuration)
    {
        File.WriteAllText(Path.Combine(folder, "bird.conf"), configuration);
        // BIRD runs in real time: a router's BFD does not wait for a busy test machine, and only ours is on trial.
        bed.Start(host, LogFile, "chrt", "--rr", "5", "bird", "-c", Path.Combine(folder, "bird.conf"),
            "-s", ControlFile, "-P", Path.Combine(folder, "pid"), "-f");
        Eventually(() => Ask("show status").Contains("Daemon is up", StringComparison.Ordinal), "BIRD answers");
    }

    public string LogFile => Path.Combine(folder, "log");

    private string ControlFile => Path.Combine(folder, "ctl");

    /// <summary>The whole answer to a command; empty while BIRD does not listen.</summary>
    public string Ask(string command)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Connect(new UnixDomainSocketEndPoint(ControlFile));
        }
        catch (SocketException)
        {
            return "";
        }

        using var stream = new NetworkStream(socket);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        _ = reader.ReadLine(); // "0001 BIRD 2.0.12 ready."
        stream.Write(Encoding.UTF8.GetBytes(command + "\n"));
        var answer = new StringBuilder();
        while (reader.ReadLine() is { } line)
        {
            answer.AppendLine(line);
            // Codes 0xxx, 8xxx and 9xxx followed by a space end an answer; those below 0100 only begin with 0000-0099.
            bool coded = line.Length >= 5 && line[4] == ' ' && line[..4].All(char.IsAsciiDigit);
            if (coded && line[0] is '0' or '8' or '9') break;
        }

        return answer.ToString();
    }

    public bool HasRoute(string prefix) =>
        Ask($"show route {prefix}").Contains(prefix, StringComparison.Ordinal);

    public bool IsEstablished(string protocol) =>
        Ask($"show protocols {protocol}").Contains("Established", StringComparison.Ordinal);

    public int CountRoutes(string table)
    {
        string answer = Ask($"show route table {table} count");
        int of = answer.IndexOf(" of ", StringComparison.Ordinal);
        string digits = new([.. answer[(of + 4)..].TakeWhile(char.IsAsciiDigit)]);
        return int.Parse(digits, System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>The detection times, as "0.150", of the BFD sessions that are Up.</summary>
    public IReadOnlyList<string> BfdTimeouts() =>
    [
        // Address, interface, state, since, interval, timeout.
        .. Ask("show bfd sessions").Split('\n')
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(columns => columns.Length >= 6 && columns[2] == "Up")
            .Select(columns => columns[^1].Trim()),
    ];

    public void Dispose() => Directory.Delete(folder, recursive: true);

    /// <summary>Waits until the condition holds, ten seconds at most unless told; gives how long it took.</summary>
    public static TimeSpan Eventually(Func<bool> condition, string what, double seconds = 10) =>
        Eventually(condition, () => what, seconds);

    /// <param name="seen">Told when the time is over: what was seen instead.</param>
    public static TimeSpan Eventually(Func<bool> condition, Func<string> seen, double seconds = 10)
    {
        var clock = Stopwatch.StartNew();
        if (!SpinWait.SpinUntil(condition, TimeSpan.FromSeconds(seconds)))
            throw new TimeoutException($"not within {seconds} s: {seen()}");
        return clock.Elapsed;
    }
}
