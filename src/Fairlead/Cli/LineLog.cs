using System.Globalization;
using System.Text;
using Microsoft.Extensions.Logging;

namespace Fairlead.Cli;

/// <summary>
/// What a service says of itself, a line each on standard output: "TIME LEVEL: PART[0] TEXT". A thread of its own
/// writes, so that nobody waits for whoever reads; what does not fit meanwhile is counted and the count said. The
/// library's console logger brings a container and its options along, 3 MB of memory.
/// </summary>
internal sealed class LineLog : ILoggerFactory
{
    private const int LinesMax = 20_000; // A thousand services that fail say some thousands at once.

    private readonly Queue<string> lines = new();
    private readonly Lock gate = new();
    private readonly AutoResetEvent some = new(false);
    private readonly Thread writer;
    private bool stopping;
    private long lost;

    public LineLog()
    {
        writer = new Thread(Write) { IsBackground = true, Name = "log" };
        writer.Start();
    }

    public ILogger CreateLogger(string categoryName) => new Part(this, categoryName);

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException("it writes lines itself");

    /// <summary>Writes what is left.</summary>
    public void Dispose()
    {
        Volatile.Write(ref stopping, true);
        some.Set();
        // Where nobody reads what it writes, it ends with the process.
        if (writer.Join(TimeSpan.FromSeconds(1))) some.Dispose();
    }

    private void Add(string line)
    {
        lock (gate)
        {
            if (lines.Count == LinesMax)
            {
                lost++;
                return;
            }

            lines.Enqueue(line);
        }

        some.Set();
    }

    private void Write()
    {
        using Stream output = Console.OpenStandardOutput();
        var text = new StringBuilder();
        bool ends;
        do
        {
            ends = Volatile.Read(ref stopping);
            if (!ends) some.WaitOne();
            lock (gate)
            {
                while (lines.TryDequeue(out string? line)) text.Append(line);
                if (lost > 0) text.Append(CultureInfo.InvariantCulture, $"log: {lost} lines were lost on their way\n");
                lost = 0;
            }

            if (text.Length > 0 && !TryWrite(output, text.ToString())) lock (gate) lost++;
            text.Clear();
        }
        while (!ends);
    }

    // A disk that is full, say: the node goes on.
    private static bool TryWrite(Stream output, string line)
    {
        try
        {
            output.Write(Encoding.UTF8.GetBytes(line));
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private sealed class Part(LineLog log, string name) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Information and not LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
            if (!IsEnabled(logLevel)) return;
            string level = logLevel switch
            {
                LogLevel.Information => "info",
                LogLevel.Warning => "warn",
                LogLevel.Error => "fail",
                _ => "crit",
            };
            string text = formatter(state, exception) + (exception is null ? "" : $" {exception}");
            DateTimeOffset now = TimeProvider.System.GetUtcNow();
            string at = now.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
            log.Add($"{at} {level}: {name}[0] {text.ReplaceLineEndings(" ")}\n");
        }
    }
}
