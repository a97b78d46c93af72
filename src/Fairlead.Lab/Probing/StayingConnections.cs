using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace Fairlead.Lab.Probing;

/// <summary>What befell a client's kept connections. Times are seconds since the probing began. One writer.</summary>
public sealed class StayLog(int wanted)
{
    private readonly List<(double At, double Done)> waits = [];
    private readonly List<(double At, string Why)> breaks = [];
    private readonly Dictionary<int, double> open = [];
    private readonly Lock gate = new();

    public int Wanted => wanted;

    public void Asked(int connection, double at)
    {
        lock (gate) open[connection] = at;
    }

    public void Answered(int connection, double now)
    {
        lock (gate)
        {
            if (open.Remove(connection, out double at)) waits.Add((at, now));
        }
    }

    public void Broke(int connection, double now, string why)
    {
        lock (gate)
        {
            open.Remove(connection);
            breaks.Add((now, why));
        }
    }

    /// <summary>Why those broke that broke since the mark.</summary>
    public string[] BrokenSince(double mark)
    {
        lock (gate) return [.. breaks.Where(one => one.At >= mark).Select(one => one.Why)];
    }

    /// <summary>Seconds; who still waits counts too, and if nobody has asked since, all of the time.</summary>
    public double LongestWait(double mark, double now)
    {
        lock (gate)
        {
            return waits.Where(wait => wait.Done >= mark).Select(wait => wait.Done - wait.At)
                .Concat(open.Values.Select(at => now - at)).DefaultIfEmpty(now - mark).Max();
        }
    }
}

/// <summary>
/// Many connections of one client, from one thread: a GET on each at its pace, the next one only after the answer. One
/// that is reset, ended or not to be opened is broken, and stays so.
/// </summary>
internal sealed class StayingConnections(StayLog log, IPEndPoint target, TimeSpan every, Stopwatch clock)
{
    private static readonly byte[] Get = "GET / HTTP/1.1\r\nHost: lab\r\n\r\n"u8.ToArray();
    private readonly List<(Socket Socket, int Number)> alive = [];
    private readonly HashSet<int> waiting = [];
    private readonly byte[] answer = new byte[2048];

    private double Now => clock.Elapsed.TotalSeconds;

    public void Run(WaitHandle stopped)
    {
        try
        {
            for (int i = 0; i < log.Wanted && !stopped.WaitOne(0); i++) Open(i);
            double next = Now;
            while (!stopped.WaitOne(0))
            {
                foreach ((Socket socket, int number) in alive.ToArray()) Ask(socket, number);
                next += every.TotalSeconds;
                while (Now < next && !stopped.WaitOne(0)) Listen(TimeSpan.FromSeconds(Math.Max(0.001, next - Now)));
            }
        }
        finally
        {
            foreach ((Socket socket, _) in alive) socket.Dispose();
        }
    }

    private void Open(int number)
    {
        var socket = new Socket(target.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            socket.Connect(target);
            socket.Blocking = false;
            alive.Add((socket, number));
        }
        catch (SocketException fault)
        {
            socket.Dispose();
            log.Broke(number, Now, $"not opened: {fault.SocketErrorCode}");
        }
    }

    private void Ask(Socket socket, int number)
    {
        if (!waiting.Add(number)) return;
        log.Asked(number, Now);
        socket.Send(Get, SocketFlags.None, out SocketError error);
        if (error is not (SocketError.Success or SocketError.WouldBlock)) Break(socket, number, $"{error}");
    }

    private void Listen(TimeSpan atMost)
    {
        List<Socket> ready = [.. alive.Select(one => one.Socket)];
        if (ready.Count == 0)
        {
            using var pause = new ManualResetEventSlim();
            pause.Wait(atMost);
            return;
        }

        Socket.Select(ready, null, null, atMost);
        HashSet<Socket> heard = [.. ready];
        foreach ((Socket socket, int number) in alive.Where(one => heard.Contains(one.Socket)).ToArray())
        {
            int length = socket.Receive(answer, 0, answer.Length, SocketFlags.None, out SocketError error);
            if (error == SocketError.WouldBlock) continue;
            if (error != SocketError.Success || length == 0)
            {
                Break(socket, number, error == SocketError.Success ? "ended" : $"{error}");
                continue;
            }

            // An answer is short and comes as one segment; what is left of it would only come sooner than the next.
            if (waiting.Remove(number)) log.Answered(number, Now);
        }
    }

    private void Break(Socket socket, int number, string why)
    {
        log.Broke(number, Now, why);
        waiting.Remove(number);
        alive.RemoveAll(one => one.Number == number);
        socket.Dispose();
    }
}
